// The sign-up page: reads the token behind the #, asks for a name and a password, and gives
// the three to the API. The token leaves the address bar at once, so that it is not left in
// the history of the browser. Who has signed up is signed in, and goes on in the dashboard.
"use strict";

const LENGTH_MIN = 15;
const LENGTH_MAX = 128;

const find = (id) => document.getElementById(id);

const form = find("form");
const nameField = find("name");
const password = find("password");
const again = find("again");
const problem = find("problem");
const send = find("send");

let token = "";

function takeToken() {
  const given = window.location.hash.slice(1);
  if (given) {
    token = given;
    window.history.replaceState(null, "", window.location.pathname);
  }
  form.hidden = !token;
  find("no-token").hidden = Boolean(token);
  (token ? nameField : find("no-token")).focus();
}

function lengthOf(text) {
  return [...text.normalize("NFC")].length;
}

function rules() {
  const length = lengthOf(password.value);
  return {
    "rule-length": length >= LENGTH_MIN && length <= LENGTH_MAX,
    "rule-same": password.value !== "" && password.value === again.value,
  };
}

function showRules() {
  for (const [id, met] of Object.entries(rules())) {
    const rule = find(id);
    rule.classList.toggle("met", met);
    rule.querySelector(".state").textContent = met ? ": met" : ": not met yet";
  }
}

function show(text, field) {
  problem.textContent = text;
  problem.hidden = !text;
  for (const one of [nameField, password, again]) {
    one.toggleAttribute("aria-invalid", false);
  }
  if (field) {
    field.setAttribute("aria-invalid", "true");
    field.focus();
  }
}

function isReady() {
  const met = rules();
  if (!nameField.value.trim()) {
    show("Please write a name.", nameField);
  } else if (!met["rule-length"]) {
    show(`The password has ${lengthOf(password.value)} characters; it needs ${LENGTH_MIN} to ${LENGTH_MAX}.`, password);
  } else if (!met["rule-same"]) {
    show("The two passwords are not the same.", again);
  } else {
    show("");
    return true;
  }
  return false;
}

async function signUp() {
  const answer = await fetch("/api/v1/sign-up", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ token, name: nameField.value.trim(), password: password.value }),
    cache: "no-store",
    credentials: "omit",
    referrerPolicy: "no-referrer",
  });
  if (answer.ok) {
    return null;
  }
  if (answer.status === 401) {
    return { text: "This link was used already, or its time is over. Ask for a new one." };
  }
  const told = await answer.json().catch(() => ({}));
  const text = [told.detail || `The server answered ${answer.status}.`, told.remedy];
  const field = told.code === "invalid" ? password : told.code === "already_exists" ? nameField : null;
  return { text: text.filter(Boolean).join(" "), field };
}

// With the cookie of the dashboard; the answer to signing up is for programs, and is not kept.
async function enter() {
  const answer = await fetch("/api/v1/sessions/browser", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ name: nameField.value.trim(), password: password.value }),
    cache: "no-store",
    referrerPolicy: "no-referrer",
  });
  if (answer.ok) {
    window.localStorage.setItem("weft-signed-in", "yes"); // the dashboard asks who it is
    window.location.replace("/");
  }
  return answer.ok;
}

function showDone() {
  find("who").textContent = nameField.value.trim();
  find("sign-in").textContent = `weft sign-in ${nameField.value.trim()} --url ${window.location.origin}`;
  password.value = again.value = token = "";
  form.hidden = true;
  find("done").hidden = false;
  find("done").focus();
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (!isReady()) {
    return;
  }
  send.disabled = true;
  try {
    const refused = await signUp();
    if (refused) {
      show(refused.text, refused.field);
    } else if (!(await enter())) {
      showDone();
    }
  } catch {
    show("The server does not answer. Is Weft running?");
  } finally {
    send.disabled = false;
  }
});

for (const field of [password, again]) {
  field.addEventListener("input", showRules);
}

find("show").addEventListener("change", (event) => {
  password.type = again.type = event.target.checked ? "text" : "password";
});

window.addEventListener("hashchange", takeToken);
showRules();
takeToken();
