// What of a video this browser cannot decode; no error tells, where it plays the rest.

import { validate } from "./api.js";
import { has, t } from "./strings.js";

const SOUND = /^(mp4a|mp3|[ae]c-|opus|vorbis|flac|alac|dts|mlpa)/;

export async function findUndecodable(video, codecs) {
	return (await Promise.all(codecs.map(async (codec) => (await decodes(video, codec)) ? [] : codec))).flat();
}

async function decodes(video, codec) {
	const kind = SOUND.test(codec) ? "audio" : "video";
	const contentType = `${kind}/${/^v(p8|orbis)/.test(codec) ? "webm" : "mp4"}; codecs="${codec}"`;
	const usual = { contentType, width: 1280, height: 720, bitrate: 2e6, framerate: 25 };
	try {
		// What it has never heard of, Chromium complains of to the console.
		return video.canPlayType(contentType)
			&& (await navigator.mediaCapabilities.decodingInfo({ type: "file", [kind]: usual })).supported;
	} catch {
		return true;
	}
}

/** Return the codecs that are missing in what plays silently, or without a picture. */
export async function findMissing({ videoWidth }, isSilent, { link, verdict: { codecs, container }, abort }) {
	const lost = () => codecs?.filter((codec) => (SOUND.test(codec) ? isSilent : !videoWidth)) ?? [];
	if (container === "mp4" && !lost().length) {
		// The first look at a file does not show all of its tracks.
		({ codecs } = (await validate(link, abort.signal, "&tracks=1")) ?? {});
	}
	return lost();
}

export function nameCodecs(codecs) {
	const keys = codecs.map((codec) => `codec.${codec.slice(0, 4)}`);
	return keys.map((key, index) => (has(key) ? t(key) : codecs[index])).join(", ");
}
