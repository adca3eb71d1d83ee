// Ticks twice a second whatever the page's tab is doing: browsers throttle the timers of hidden tabs, not a worker's.
setInterval(() => postMessage("tick"), 500);
