"""Whose glasses: where the words leave it open, a person wears glasses or none as on their photos.

The face adapter hardly says it, since the same person is seen with and without in training, and without a word the
seed decides. "With glasses" in the sentence puts them on; against them the same words stand in the negative sentence: a
"without" is overheard by many a base, and changes more of the picture beside the face (docs/training-log.md).
"""

import re

WORDS = "with glasses"
_SAID = re.compile(r"glasses|spectacles|goggles", re.IGNORECASE)


def own_glasses(prompt: str, negative_prompt: str, wears: bool | None, *, guided: bool = True) -> tuple[str, str]:
    """Both sentences, with what the photos say about glasses where neither sentence speaks of them.

    Args:
        wears: None where the photos do not say.
        guided: whether the negative sentence is heard at all.
    """
    if wears is None or _SAID.search(prompt) or _SAID.search(negative_prompt):
        return prompt, negative_prompt
    if wears:
        return f"{prompt}, {WORDS}", negative_prompt
    if not guided:
        return prompt, negative_prompt
    return prompt, f"{negative_prompt}, {WORDS}" if negative_prompt.strip() else WORDS
