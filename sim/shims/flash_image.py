"""The unit's flash as an image file with LittleFS in it, in place of a folder of the host: what a board really has.

Importing it mounts the image that `LIVLINA_FLASH` names (a whole path) at /flash and changes into it. An image that is
not there yet is made, of `BLOCKS` blocks, with the files of the folder that the unit was started in. Every call goes to
the host at once and allocates nothing, so a unit that is killed has lost what a board would have lost.
"""

import os

import vfs

BLOCK = 4096
BLOCKS = 128
_PIECE = 256
_MOUNT = "/flash"
_FOREIGN = ("console.log",)
"""Files in a unit's folder that are the sim's."""
_COUNT, _SIZE, _ERASE = 4, 5, 6


class Image:
    """A block device on a file."""

    def __init__(self, path: str) -> None:
        try:
            self.blocks = os.stat(path)[6] // BLOCK
            self.new = self.blocks == 0
        except OSError:
            self.new = True
        self._erased = bytes([0xFF] * _PIECE)
        if self.new:
            self.blocks = BLOCKS
            with open(path, "wb") as file:
                for _ in range(BLOCKS * BLOCK // _PIECE):
                    file.write(self._erased)
        self._file = open(path, "r+b")  # noqa: SIM115 - it is open as long as the unit runs

    def readblocks(self, block: int, buffer: "bytearray", offset: int = 0) -> int:
        self._file.seek(block * BLOCK + offset)
        return 0 if self._file.readinto(buffer) == len(buffer) else -5

    def writeblocks(self, block: int, buffer: "bytearray", offset: int = 0) -> int:
        self._file.seek(block * BLOCK + offset)
        return 0 if self._file.write(buffer) == len(buffer) else -5

    def ioctl(self, what: int, argument: int) -> int:
        if what == _COUNT:
            return self.blocks
        if what == _SIZE:
            return BLOCK
        if what == _ERASE:
            self._file.seek(argument * BLOCK)
            for _ in range(BLOCK // _PIECE):
                self._file.write(self._erased)
        return 0


def _copy(folder: str) -> None:
    """The files of a folder into the current one."""
    for entry in os.ilistdir(folder):
        name = entry[0]
        if entry[1] == 0x8000 and name not in _FOREIGN:
            with open(folder + "/" + name, "rb") as source, open(name, "wb") as target:
                piece = source.read(_PIECE)
                while piece:
                    target.write(piece)
                    piece = source.read(_PIECE)


def mount(path: str) -> None:
    """Put the image in place, made first if need be."""
    image = Image(path)
    folder = os.getcwd()
    if image.new:
        vfs.VfsLfs2.mkfs(image)
    vfs.mount(vfs.VfsLfs2(image), _MOUNT)
    os.chdir(_MOUNT)
    if image.new:
        _copy(folder)


mount(os.getenv("LIVLINA_FLASH"))
