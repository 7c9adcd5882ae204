"""What the remand and sentencing service keeps of one prisoner, and what its calls do to it: functions on plain JSON.

A book holds cases, appearances, charges, sentences and terms by their DPS ids. `nomis` is the NOMIS id of what was
written whole; of what an event made it is null, since such bodies do not tell.
"""

from collections.abc import Callable
from typing import Any

Json = dict[str, Any]
NewId = Callable[[], str]
PARTS = ("cases", "appearances", "charges", "sentences", "terms")
KIND_OF = {"cases": "case", "appearances": "appearance", "charges": "charge", "sentences": "sentence", "terms": "term"}
_LENGTHS = ("periodYears", "periodMonths", "periodWeeks", "periodDays")


def empty() -> Json:
    """A book with nothing in it; `next` numbers the ids."""
    return {"next": 1, **{part: {} for part in PARTS}}


def forget(book: Json) -> None:
    """Delete everything."""
    for part in PARTS:
        book[part].clear()


def add_whole(book: Json, cases: list[Json], new_id: NewId) -> Json:
    """Add whole cases; what each part has become, as the service answers."""
    return _Whole(book, new_id).add(cases)


class _Whole:
    """One call that writes whole cases: charges and sentences that come again are the same."""

    def __init__(self, book: Json, new_id: NewId) -> None:
        self._book = book
        self._new_id = new_id
        self._charges: dict[int, str] = {}
        self._sentences: dict[tuple[int, int], str] = {}
        self._answer: Json = {"courtCases": [], "appearances": [], "charges": [], "sentences": [], "sentenceTerms": []}

    def add(self, cases: list[Json]) -> Json:
        for case in cases:
            self._case(case)
        return self._answer

    def _case(self, case: Json) -> None:
        dps_id = self._new_id()
        data = case["courtCaseLegacyData"]
        self._book["cases"][dps_id] = {
            "nomis": [case["caseId"]],
            "active": case["active"],
            "bookingId": data.get("bookingId"),
            "caseReferences": data["caseReferences"],
            "merged": case.get("merged"),
        }
        self._answer["courtCases"].append({"courtCaseUuid": dps_id, "caseId": case["caseId"]})
        for appearance in case["appearances"]:
            self._appearance(dps_id, appearance)

    def _appearance(self, case: str, appearance: Json) -> None:
        dps_id = self._new_id()
        self._book["appearances"][dps_id] = {
            "nomis": [appearance["eventId"]],
            "case": case,
            "courtCode": appearance["courtCode"],
            "appearanceDate": appearance["appearanceDate"],
            "legacyData": appearance["legacyData"],
        }
        self._answer["appearances"].append({"appearanceUuid": dps_id, "eventId": appearance["eventId"]})
        for charge in appearance["charges"]:
            self._charge(dps_id, charge)

    def _charge(self, appearance: str, charge: Json) -> None:
        nomis_id = charge["chargeNOMISId"]
        dps_id = self._charges.get(nomis_id)
        if dps_id is None:
            dps_id = self._charges[nomis_id] = self._new_id()
            self._book["charges"][dps_id] = {"nomis": [nomis_id], "on": {}}
            self._answer["charges"].append({"chargeUuid": dps_id, "chargeNOMISId": nomis_id})
        there = charge_there(charge)
        there |= {name: charge[name] for name in ("mergedFromCaseId", "mergedFromDate") if name in charge}
        self._book["charges"][dps_id]["on"][appearance] = there
        if "sentence" in charge:
            self._sentence(appearance, dps_id, charge["sentence"])

    def _sentence(self, appearance: str, charge: str, sentence: Json) -> None:
        nomis_id = (sentence["sentenceId"]["offenderBookingId"], sentence["sentenceId"]["sequence"])
        dps_id = self._sentences.get(nomis_id)
        if dps_id is not None:
            self._book["sentences"][dps_id]["charges"].append(charge)
            return
        dps_id = self._sentences[nomis_id] = self._new_id()
        follows = sentence.get("consecutiveToSentenceId")
        self._book["sentences"][dps_id] = {
            "nomis": list(nomis_id),
            "charges": [charge],
            "appearance": appearance,
            **_sentence_fields(sentence),
            "follows": {"nomis": [follows["offenderBookingId"], follows["sequence"]]} if follows else None,
        }
        self._answer["sentences"].append({"sentenceUuid": dps_id, "sentenceNOMISId": sentence["sentenceId"]})
        for term in sentence["periodLengths"]:
            term_id = self._new_id()
            named = term["periodLengthId"]
            nomis = [named["offenderBookingId"], named["sentenceSequence"], named["termSequence"]]
            self._book["terms"][term_id] = {"nomis": nomis, "sentence": dps_id, **_term_fields(term)}
            self._answer["sentenceTerms"].append({"periodLengthUuid": term_id, "sentenceTermNOMISId": named})


def case_fields(body: Json) -> Json:
    """What a body of a case alone says."""
    return {
        "active": body["active"],
        "bookingId": body.get("bookingId"),
        "caseReferences": body["legacyData"]["caseReferences"],
    }


def appearance_fields(body: Json) -> Json:
    """What a body of an appearance alone says."""
    return {
        "case": body["courtCaseUuid"],
        "courtCode": body["courtCode"],
        "appearanceDate": body["appearanceDate"],
        "legacyData": body["legacyData"],
    }


def charge_there(body: Json) -> Json:
    """What a body says of a charge as at one appearance."""
    names = ("offenceCode", "offenceStartDate", "offenceEndDate", "legacyData")
    return {name: body[name] for name in names if name in body}


def sentence_fields(body: Json) -> Json:
    """What a body of a sentence alone says."""
    follows = body.get("consecutiveToLifetimeUuid")
    return {
        "charges": body["chargeUuids"],
        "appearance": body["appearanceUuid"],
        **_sentence_fields(body),
        "follows": {"dps": follows} if follows else None,
    }


def term_fields(body: Json) -> Json:
    """What a body of a term alone says."""
    return {"sentence": body["sentenceUuid"], **_term_fields(body)}


def _sentence_fields(body: Json) -> Json:
    return {
        "active": body["active"],
        "legacyData": body["legacyData"],
        "fine": body.get("fine"),
        "returnToCustodyDate": body.get("returnToCustodyDate"),
    }


def _term_fields(body: Json) -> Json:
    return {"legacyData": body["legacyData"], **{name: body[name] for name in _LENGTHS if name in body}}


def view(book: Json, nomis_of: Callable[[str], list[int] | None]) -> list[Json]:
    """All cases of a book as a tree of what they say, with NOMIS ids for DPS's: alike for alike data, however it came.

    `nomis_of` gives the NOMIS ids that a DPS id is mapped to.
    """
    return _View(book, nomis_of).cases()


class _View:
    def __init__(self, book: Json, nomis_of: Callable[[str], list[int] | None]) -> None:
        self._book = book
        self._nomis_of = nomis_of

    def cases(self) -> list[Json]:
        book = self._book
        targets = {case.get("linkedTo") for case in book["cases"].values()}
        shown: list[Json] = []
        for dps_id, case in book["cases"].items():
            merged = case.get("merged")
            if "linkedTo" in case:
                merged = True if case["linkedTo"] else None
            if merged is None and dps_id in targets:
                merged = False
            shown.append(
                {
                    "nomis": self._nomis_of(dps_id),
                    **{name: case[name] for name in ("active", "bookingId", "caseReferences")},
                    "merged": merged,
                    "appearances": self._sorted(
                        self._appearance(key, each)
                        for key, each in book["appearances"].items()
                        if each["case"] == dps_id
                    ),
                }
            )
        return self._sorted(shown)

    def _appearance(self, dps_id: str, appearance: Json) -> Json:
        book = self._book
        return {
            "nomis": self._nomis_of(dps_id),
            **{name: appearance[name] for name in ("courtCode", "appearanceDate", "legacyData")},
            "charges": self._sorted(
                {"nomis": self._nomis_of(key), **self._there(each["on"][dps_id])}
                for key, each in book["charges"].items()
                if dps_id in each["on"]
            ),
            "sentences": self._sorted(
                self._sentence(key, each) for key, each in book["sentences"].items() if each["appearance"] == dps_id
            ),
        }

    def _there(self, there: Json) -> Json:
        linked = there.get("mergedFromCase")
        shown = {name: value for name, value in there.items() if name != "mergedFromCase"}
        case = self._nomis_of(linked) if linked else None
        return shown | ({"mergedFromCaseId": case[0]} if case else {})

    def _sentence(self, dps_id: str, sentence: Json) -> Json:
        follows = sentence["follows"]
        if follows is not None and "dps" in follows:
            follows = {"nomis": self._nomis_of(follows["dps"])}
        return {
            "nomis": self._nomis_of(dps_id),
            "charges": sorted(self._nomis_of(charge) or [] for charge in sentence["charges"]),
            **{name: sentence[name] for name in ("active", "legacyData", "fine", "returnToCustodyDate")},
            "follows": follows,
            "terms": self._sorted(
                {
                    "nomis": self._nomis_of(key),
                    **{name: each[name] for name in each if name not in ("nomis", "sentence")},
                }
                for key, each in self._book["terms"].items()
                if each["sentence"] == dps_id
            ),
        }

    @staticmethod
    def _sorted(shown: Any) -> list[Json]:
        return sorted(shown, key=lambda each: each["nomis"] or [])
