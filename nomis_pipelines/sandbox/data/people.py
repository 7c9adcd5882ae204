"""Prisoners and visitors, by number. All names are invented."""

_FIRST = (
    "Petra", "Amir", "Olwen", "Dario", "Chiara", "Tomos", "Nadia", "Ruben", "Elspeth", "Kofi", "Marta", "Idris",
    "Saoirse", "Yusuf", "Greta", "Callum", "Ines", "Piotr", "Zainab", "Rhodri", "Beatrix", "Femi", "Hanna", "Luca",
    "Morag", "Samir", "Vera", "Wilf", "Adaeze", "Joaquin", "Katja", "Noor", "Siân", "Tadhg", "Ursula", "Viktor",
)  # fmt: skip
_LAST = (
    "Novak", "Ashdown", "Okonjo", "Pengelly", "Farrow", "Lindqvist", "Marsh", "Qureshi", "Tolland", "Vaughan-Price",
    "Iwu", "Castell", "Drummond", "Ebbing", "Gwilliam", "Haddow", "Jansen", "Kettley", "Lomax", "Mbeki", "Norcross",
    "O'Shaughn",
    "Pryce", "Rahimi", "Selwood", "Trevanion", "Underhay", "Varga", "Whitlow", "Yarrow", "Zielak", "Bexhill", "Corriga",
)  # fmt: skip
_CONSONANTS = "BCDFGHJKLMNPQRSTVWXYZ"
_NUMBERS = 22_050_000
_STRIDE = 7_919  # shares no factor with it, so every prisoner has another number
_BACK = pow(_STRIDE, -1, _NUMBERS)

FIRST_PERSON = 880_000
VISITORS_A_PRISONER = 8


def offender_no(prisoner: int) -> str:
    """The prison number of a prisoner (from 0), such as `A1234KX`: different for each below 22,050,000."""
    rest, digits = divmod(prisoner * _STRIDE % _NUMBERS, 10_000)
    rest, last = divmod(rest, 21)
    letter, middle = divmod(rest, 21)
    return f"{'ACGHM'[letter]}{digits:04}{_CONSONANTS[middle]}{_CONSONANTS[last]}"


def prisoner_of(number: str) -> int | None:
    """The prisoner (from 0) of a prison number; None for a text that is none."""
    if len(number) != 7 or not number[1:5].isdigit() or not number.isascii():
        return None
    letter, middle, last = "ACGHM".find(number[0]), _CONSONANTS.find(number[5]), _CONSONANTS.find(number[6])
    if min(letter, middle, last) < 0:
        return None
    return (((letter * 21 + middle) * 21 + last) * 10_000 + int(number[1:5])) * _BACK % _NUMBERS


def person_id(prisoner: int, which: int) -> int:
    """The id of one of the people who may visit a prisoner."""
    return FIRST_PERSON + prisoner * VISITORS_A_PRISONER + which


def full_name(person: int) -> str:
    """The name of a visitor."""
    return f"{_FIRST[person * 7 % len(_FIRST)]} {_LAST[person // 3 % len(_LAST)]}"


def telephone(draw: int) -> str:
    """A telephone number nobody has; one in twelve with an extension."""
    number = draw % 1000
    match draw % 3:
        case 0:
            text = f"07700 900{number:03}"
        case 1:
            text = f"01632 960{number:03}"
        case _:
            text = f"020 7946 0{number:03}"
    return f"{text} {draw % 89 + 10}" if draw % 12 == 5 else text
