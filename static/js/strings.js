// Every word the page shows. A translation replaces this module and nothing else.

/** The language of these words: numbers and times are formatted to match. */
export const locale = "en";

/** Words that stand still, by the names used in the template and in the modules. */
export const text = {
  appName: "streamproxy",
  heading: "Paste a link. It plays.",
  lead: "The video comes through this server piece by piece, as you watch. Nothing is downloaded first.",
  formLabel: "Open a link",
  linkLabel: "Link to a video",
  linkPlaceholder: "https://example.com/film.mp4",
  linkMissing: "Paste the link of a video first.",
  sampleHelp: "A sample is filled in: press Play to try it.",
  play: "Play",
  cancel: "Cancel",

  stageLabel: "Player",
  videoLabel: "Video",
  checking: "Checking the link…",
  checkingSlowly: "Still checking: the site takes its time…",
  askingAgain: "Playback stopped. Asking the site why…",
  canceled: "Canceled.",
  fromAnotherSite: "Another site filled in this link. Nothing is fetched until you press Play.",
  loading: "Loading the video…",
  ready: "Ready. Press Play to start.",
  buffering: "Waiting for more of the video…",

  controlsLabel: "Move in the video",
  restart: "Start over",
  back: "10 s",
  backLabel: "Back 10 seconds",
  forward: "10 s",
  forwardLabel: "Forward 10 seconds",

  type: "Type",
  size: "Size",
  seeking: "Seeking",
  host: "From",
  unknown: "Unknown",
  seekable: "Can be sought",
  notSeekable: "Plays from the start only",
  moovAtEnd: "This file keeps its index at the end: it starts a little later.",
  cannotStartThere: "This link plays from the start only, so the time asked for was left out.",

  tryAgain: "Try again",
  signIn: "Sign in",
  download: "Download",
  copy: "Copy address for a player",
  copied: "Address copied",

  recentHeading: "Recent links",
  recentPrivacy: "Kept in this browser only.",
  clearAll: "Clear all",
  cleared: "The list was cleared.",
  undo: "Undo",
  justNow: "just now",

  signedInAs: "Signed in as",
  signOut: "Sign out",
};

/** Words around a value. */
export const phrase = {
  pageTitle: (name) => `${name} – ${text.appName}`,
  retryFrom: (clock) => `Retry from here (${clock})`,
  redirected: (from, to) => `${from} → ${to}`,
  removed: (title) => `Removed ${title}.`,
  remove: (title) => `Remove ${title} from the list`,
  showMore: (count) => `Show ${count} more`,
  code: (code) => `Code: ${code}`,
  upstreamStatus: (status) => `The site answered ${status}`,
  proxyStatus: (status) => `The proxy answered ${status}`,
};

/** The keyboard's shortcuts: keys, then what they do. */
export const shortcuts = [
  [["Space", "K"], "pause"],
  [["J", "L"], "10 s"],
  [["←", "→"], "5 s"],
];

/** What a container is called. */
export const containers = {
  mp4: "MP4",
  webm: "WebM",
  matroska: "Matroska",
  ogg: "Ogg",
  flac: "FLAC",
  mp3: "MP3",
  wav: "WAV",
  avi: "AVI",
  mpegts: "MPEG-TS",
  flv: "Flash Video",
};

/** What failed, in a few words, by code. */
const titles = {
  missing_url: "There is no link yet",
  invalid_url: "This is not a complete link",
  unsupported_scheme: "Only http and https links can be played",
  blocked_target: "This server may not open that address",
  not_media: "This link is not a video",
  too_large: "This file is too large",
  range_not_satisfiable: "That part of the file does not exist",
  too_many_streams: "Too many videos are playing here",
  shutting_down: "This server is about to stop",
  upstream_status: "The site did not give the file",
  dns_failure: "No site has that name",
  connection_refused: "The site does not accept connections",
  tls_error: "No secure connection to the site",
  upstream_protocol: "The site’s answer makes no sense",
  too_many_redirects: "The link leads in circles",
  connect_timeout: "The site could not be reached in time",
  read_timeout: "The site stopped answering",
  authentication_required: "Please sign in",
  too_many_attempts: "Too many wrong attempts to sign in",
  rate_limited: "Too many requests in a short time",
  invalid_signature: "This link’s signature is not valid",
  link_expired: "This link has expired",
  foreign_site: "Another site may not use this server",
  misdirected_request: "This server is not known by that name",
  closed_to_others: "This server is not open to others yet",
  not_sliceable: "The parts of this file must not be joined",
  internal_error: "Something broke in the proxy",
  proxy_unreachable: "The proxy does not answer",
  bad_answer: "Something else answered for the proxy",
  media_network: "The video was interrupted",
  media_decode: "The video cannot be shown beyond this point",
  media_unsupported: "This browser cannot play the video",
};

/** What failed, where the site's status says it better than the code. */
const statusTitles = {
  401: "The site wants you to sign in",
  403: "The site refuses to give the file",
  404: "The site has no such file",
  410: "The file is gone",
  429: "The site asks to slow down",
  503: "The site is busy",
};

export const unknownTitle = "The link cannot be played";

/** Why and what to do, for what the page finds out by itself or the proxy left unsaid. */
export const explanations = {
  proxy_unreachable: {
    why: "The page got no answer from its own server.",
    hint: "Check that you are online and that streamproxy is still running, then try again.",
  },
  bad_answer: {
    why: "The page asked its own server and got an answer it does not understand.",
    hint: "A login page or another server may stand in between. Reload this page, then try again.",
  },
  media_network: {
    why: "The connection broke while the video was playing. The link itself still works.",
    hint: "Go on from where it stopped.",
  },
  media_decode: {
    why: "The file is damaged here, or holds something this browser cannot decode.",
    hint: "Try once more, or download the file and open it in a player such as mpv or VLC.",
  },
  media_unsupported: {
    why: "The link works, but this browser lacks the codec or does not know the container.",
    hint: "Download the file, or copy the address and open it in a player such as mpv or VLC.",
  },
  other: {
    why: "The proxy did not say why.",
    hint: "Check the link and try again.",
  },
};

/** Return the title for a code of the contract, one of the page's own, or an unknown one. */
export function problemTitle(code, upstreamStatus) {
  if (code === "upstream_status" && Object.hasOwn(statusTitles, upstreamStatus)) {
    return statusTitles[upstreamStatus];
  }
  return Object.hasOwn(titles, code) ? titles[code] : unknownTitle;
}
