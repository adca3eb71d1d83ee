"""Published lists of cases that any receiver of an alarm-centre protocol can be held to, over real sockets."""
