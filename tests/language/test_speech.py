"""Languages: templates, and what one language said in another."""

from __future__ import annotations

import copy
import json
import pickle

from cipa.language.en import EN
from cipa.language.speech import Language, Phrase

GERMAN = Language(
    name="de",
    templates={
        "reason.above": "Das {level:.0%}-Intervall liegt über 0.", "notice": "{models:listed}: {text}",
        "failed": "{model}: {reason}",
    },
    ways={"listed": " und ".join},
)  # fmt: skip


def test_what_was_said_is_said_again() -> None:
    english = EN("reason.above", level=0.95)
    assert english == "The 95% interval lies above 0."
    assert GERMAN.again(english) == "Das 95%-Intervall liegt über 0."
    assert EN.again(GERMAN.again(english)) == english


def test_text_of_another_origin_stays_as_it_is() -> None:
    assert GERMAN.again("next year {level}") == "next year {level}"
    assert type(GERMAN.again("next year")) is str


def test_what_was_said_within_is_said_again_too() -> None:
    reason = EN("reason.above", level=0.9)
    assert GERMAN("failed", model="m", reason=reason) == "m: Das 90%-Intervall liegt über 0."
    assert GERMAN("notice", models=[reason, "b"], text="t") == "Das 90%-Intervall liegt über 0. und b: t"
    assert GERMAN.again(EN("failed", model="m", reason=reason)) == "m: Das 90%-Intervall liegt über 0."


def test_a_phrase_is_text_to_everyone_else() -> None:
    phrase = EN("reason.above", level=0.95)
    for twin in (copy.deepcopy(phrase), pickle.loads(pickle.dumps(phrase))):
        assert type(twin) is Phrase
        assert (twin, twin.code, twin.values) == (phrase, "reason.above", {"level": 0.95})
    assert json.loads(json.dumps({"reason": phrase})) == {"reason": str(phrase)}
    assert {phrase: 1}[str(phrase)] == 1
