"""Speaks with espeak-ng and cuts recordings; packs clips into one FLAC file with a JSON index."""

import io
import json
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import soundfile

from morphoquant.data.make.prompts import PROMPTS
from morphoquant.data.make.voices import ACCENTS, SENTENCES, SPEAKERS
from morphoquant.data.sample import SAMPLE_RATE
from morphoquant.data.words import DIGIT_WORDS, SPLITS


@dataclass(frozen=True)
class Spoken:
    """One clip: float32 [samples] at 16 kHz, who speaks, the words, and the split it belongs to."""

    audio: np.ndarray
    speaker: str
    words: str
    split: str


def synthetic(seed: int) -> list[Spoken]:
    """Every digit by every voice, and every sentence by one voice of its split; rate and pitch vary with the seed."""
    rng = np.random.default_rng(seed)
    clips = []
    for split in SPLITS:
        speakers = SPEAKERS[split]
        for index, speaker in enumerate(speakers):
            voice = f"{ACCENTS[index % len(ACCENTS)]}+{speaker}"
            clips += [_speak(voice, word, split, rng) for word in DIGIT_WORDS]
        for index, sentence in enumerate(SENTENCES.get(split, ())):
            place = index % len(speakers)
            clips.append(_speak(f"{ACCENTS[place % len(ACCENTS)]}+{speakers[place]}", sentence, split, rng))
    return clips


def recorded(sounds: Path) -> list[Spoken]:
    """The prompts of `PROMPTS` out of the unpacked folder of sounds."""
    clips = []
    for split, prompts in PROMPTS.items():
        for name, words in prompts.items():
            audio, rate = soundfile.read(sounds / f"{name}.wav", dtype="float32")
            clips.append(Spoken(_prepare(audio, rate), "Allison Smith", words, split))
    return clips


def pack(clips: list[Spoken], flac: Path, kept_bits: int) -> None:
    """Writes `flac` and its index beside it (same name, .json).

    Args:
        kept_bits: amplitude bits that are kept of 16; the rest are zero and cost FLAC nothing.
    """
    step = 1 << (16 - kept_bits)
    whole, index, start = [], [], 0
    for clip in clips:
        levels = np.clip(np.round(clip.audio * 32768 / step), -32768 // step, 32767 // step)
        whole.append((levels * step).astype(np.int16))
        stop = start + len(clip.audio)
        entry = {name: value for name, value in asdict(clip).items() if name != "audio"}
        index.append({**entry, "start": start, "stop": stop})
        start = stop
    soundfile.write(flac, np.concatenate(whole), SAMPLE_RATE, subtype="PCM_16", compression_level=1.0)
    lines = ",\n".join(json.dumps(entry) for entry in index)
    flac.with_suffix(".json").write_text(f"[\n{lines}\n]\n", encoding="utf-8", newline="\n")


def _speak(voice: str, words: str, split: str, rng: np.random.Generator) -> Spoken:
    rate, pitch = rng.integers(125, 190), rng.integers(25, 75)
    command = ["espeak-ng", "-v", voice, "-s", str(rate), "-p", str(pitch), "--stdout", words]
    wav = subprocess.run(command, check=True, capture_output=True).stdout
    # With --stdout the header's length field is not filled in, so the samples are read from behind the 44-byte header.
    header_rate = int.from_bytes(wav[24:28], "little")
    audio, _ = soundfile.read(
        io.BytesIO(wav[44:]), dtype="float32", format="RAW", subtype="PCM_16", channels=1, samplerate=header_rate
    )
    return Spoken(_prepare(audio, header_rate), voice, words, split)


def _prepare(audio: np.ndarray, rate: int) -> np.ndarray:
    """Resamples to 16 kHz, cuts silence off both ends, sets the peak to 0.7 and fades 5 ms in and out."""
    import soxr  # here, since it is no requirement of MorphoQuant itself

    audio = soxr.resample(audio, rate, SAMPLE_RATE)
    loud = np.flatnonzero(np.abs(audio) > 0.02 * np.abs(audio).max())
    margin = SAMPLE_RATE // 50
    audio = audio[max(0, loud[0] - margin) : loud[-1] + margin]
    audio = audio * (0.7 / np.abs(audio).max())
    ramp = np.linspace(0, 1, SAMPLE_RATE // 200, dtype=np.float32)
    audio[: len(ramp)] *= ramp
    audio[-len(ramp) :] *= ramp[::-1]
    return audio
