// The page /live: how many are here, by server-sent events, and a chat over a WebSocket.
"use strict";

const MOST_WORDS = 100; // that the page shows
const LONGEST_PAUSE = 30000; // milliseconds between two tries to connect

const visitors = document.getElementById("visitors");
const words = document.getElementById("words");
const form = document.getElementById("chat");
const state = document.getElementById("state");
const button = form.querySelector("button");

// The browser connects again by itself.
new EventSource(visitors.dataset.url).onmessage = (event) => {
  visitors.textContent = event.data;
};

let socket;
let pause = 500;

function say(text) {
  state.textContent = text;
}

function show({ name, text }) {
  const line = document.createElement("li");
  const who = document.createElement("strong");
  who.textContent = name;
  line.append(who, ": ", text); // as text: nothing of it is HTML
  words.append(line);
  while (words.childElementCount > MOST_WORDS) {
    words.firstElementChild.remove();
  }
  line.scrollIntoView({ block: "nearest" });
}

function connect() {
  socket = new WebSocket(form.dataset.url); // a path: the host and the scheme are the page's
  socket.onopen = () => {
    pause = 500;
    button.disabled = false;
    say("Connected.");
  };
  socket.onmessage = (event) => show(JSON.parse(event.data));
  socket.onclose = (event) => {
    button.disabled = true;
    if (event.code === 4401) {
      say("You were logged out. Load the page again to go on.");
      return;
    }
    say("The connection is lost. Trying again…");
    setTimeout(connect, pause * (0.5 + Math.random())); // not all at once, when a server comes back
    pause = Math.min(pause * 2, LONGEST_PAUSE);
  };
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (socket.readyState === WebSocket.OPEN) {
    socket.send(form.elements.text.value);
    form.reset();
  }
});

connect();
