// The live connection. While it is away it is tried again, ever more patiently, and the page polls.

const FIRST_PAUSE = 1000;
const LONGEST_PAUSE = 30000;

export function listen({ onEvent, onState }) {
  const address = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws/dashboard`;
  let pause = FIRST_PAUSE;

  function open() {
    let socket;
    try {
      socket = new WebSocket(address);
    } catch {
      later();
      return;
    }
    socket.addEventListener("message", (message) => {
      const event = parsed(message.data);
      if (!event) return;
      if (event.type === "ping") socket.send('{"type":"pong"}');
      if (event.type === "hello") {
        pause = FIRST_PAUSE;
        onState("live");
      }
      onEvent(event);
    });
    // Also when the session is over: the next poll finds that out and leads to the login.
    socket.addEventListener("close", later);
  }

  function later() {
    onState("polling");
    // Chance keeps many open pages from coming back all at once.
    setTimeout(open, pause * (0.75 + Math.random() / 2));
    pause = Math.min(pause * 2, LONGEST_PAUSE);
  }

  open();
}

function parsed(text) {
  try {
    const event = JSON.parse(text);
    return event && typeof event.type === "string" ? event : null;
  } catch {
    return null;
  }
}
