"""What NOMIS's codes are in DPS (locations card, sections 6.1 to 6.6)."""

from nomis_pipelines.contracts.locations import (
    DeactivationReason,
    HistoryAttribute,
    LocationAttribute,
    LocationType,
    ResidentialHousingType,
    UsageType,
)
from nomis_pipelines.contracts.nomis_prisoner import (
    LocationProfileType,
    LocationReasonCode,
    LocationUnitType,
    LocationUsageType,
)

# HBLK came after the migration had gone, and is a wing in both (section 6.1)
LOCATION_TYPES: dict[str, LocationType] = {
    "WING": "WING", "BLK": "WING", "HBLK": "WING", "SPUR": "SPUR", "LAND": "LANDING", "TIER": "LANDING",
    "LAN": "LANDING", "CELL": "CELL", "ADJU": "ADJUDICATION_ROOM", "ADMI": "ADMINISTRATION_AREA",
    "APP": "APPOINTMENTS", "AREA": "AREA", "ASSO": "ASSOCIATION", "BOOT": "BOOTH", "BOX": "BOX", "CLAS": "CLASSROOM",
    "EXER": "EXERCISE_AREA", "EXTE": "EXTERNAL_GROUNDS", "FAIT": "FAITH_AREA", "GROU": "GROUP",
    "HCEL": "HOLDING_CELL", "HOLD": "HOLDING_AREA", "IGRO": "INTERNAL_GROUNDS", "INSI": "INSIDE_PARTY",
    "INTE": "INTERVIEW", "LOCA": "LOCATION", "MEDI": "MEDICAL", "MOVE": "MOVEMENT_AREA", "OFFI": "OFFICE",
    "OUTS": "OUTSIDE_PARTY", "POSI": "POSITION", "RESI": "RESIDENTIAL_UNIT", "ROOM": "ROOM", "RTU": "RETURN_TO_UNIT",
    "SHEL": "SHELF", "SPOR": "SPORTS", "STOR": "STORE", "TABL": "TABLE", "TRAI": "TRAINING_AREA",
    "TRRM": "TRAINING_ROOM", "VIDE": "VIDEO_LINK", "VISIT": "VISITS", "WORK": "WORKSHOP",
}  # fmt: skip

HOUSING_TYPES: dict[LocationUnitType, ResidentialHousingType] = {
    "HC": "HEALTHCARE", "HOLC": "HOLDING_CELL", "NA": "NORMAL_ACCOMMODATION", "OU": "OTHER_USE", "REC": "RECEPTION",
    "SEG": "SEGREGATION", "SPLC": "SPECIALIST_CELL",
}  # fmt: skip

DEACTIVATION_REASONS: dict[LocationReasonCode | None, DeactivationReason] = {
    "A": "NEW_BUILDING", "B": "CELL_RECLAIMS", "C": "CHANGE_OF_USE", "D": "REFURBISHMENT", "E": "CLOSURE",
    "F": "OTHER", None: "OTHER", "G": "LOCAL_WORK", "H": "STAFF_SHORTAGE", "I": "MOTHBALLED", "J": "DAMAGED",
    "K": "OUT_OF_USE", "L": "CELLS_RETURNING_TO_USE",
}  # fmt: skip

# two codes may stand for one attribute; none of NON_ASSO_TYP stands for any (section 6.4)
ATTRIBUTES: dict[LocationProfileType, dict[str, LocationAttribute]] = {
    "HOU_SANI_FIT": {
        "ABD": "ANTI_BARRICADE_DOOR", "ACB": "AUDITABLE_CELL_BELL", "FIB": "FIXED_BED", "MD": "METAL_DOOR",
        "MOB": "MOVABLE_BED", "PC": "PRIVACY_CURTAIN", "PS": "PRIVACY_SCREEN", "SCB": "STANDARD_CELL_BELL",
        "SETO": "SEPARATE_TOILET", "WD": "WOODEN_DOOR",
    },
    "HOU_UNIT_ATT": {
        "A": "CAT_A_CELL", "DO": "DOUBLE_OCCUPANCY", "ELC": "E_LIST_CELL", "GC": "GATED_CELL", "LC": "LISTENER_CELL",
        "LF": "LOCATE_FLAT", "MO": "MULTIPLE_OCCUPANCY", "NSMC": "NON_SMOKER_CELL", "OC": "OBSERVATION_CELL",
        "SC": "SAFE_CELL", "SO": "SINGLE_OCCUPANCY", "SPC": "SPECIAL_CELL", "WA": "WHEELCHAIR_ACCESS",
    },
    "HOU_USED_FOR": {
        "1": "UNCONVICTED_JUVENILES", "2": "SENTENCED_JUVENILES", "3": "UNCONVICTED_18_20", "4": "SENTENCED_18_20",
        "5": "UNCONVICTED_ADULTS", "6": "SENTENCED_ADULTS", "7": "VULNERABLE_PRISONER_UNIT",
        "V": "VULNERABLE_PRISONER_UNIT", "8": "SPECIAL_UNIT", "9": "RESETTLEMENT_HOSTEL", "10": "HEALTHCARE_CENTRE",
        "11": "NATIONAL_RESOURCE_HOSPITAL", "H": "NATIONAL_RESOURCE_HOSPITAL", "12": "OTHER_SPECIFIED",
        "A": "REMAND_CENTRE", "B": "LOCAL_PRISON", "C": "CLOSED_PRISON", "D": "OPEN_TRAINING", "E": "HOSTEL",
        "I": "CLOSED_YOUNG_OFFENDER", "J": "OPEN_YOUNG_OFFENDER", "K": "REMAND_UNDER_18", "L": "SENTENCED_UNDER_18",
        "R": "ECL_COMPONENT", "T": "ADDITIONAL_SPECIAL_UNIT", "Y": "SECOND_CLOSED_TRAINER",
        "Z": "IMMIGRATION_DETAINEES",
    },
    "SUP_LVL_TYPE": {
        "A": "CAT_A", "E": "CAT_A_EX", "H": "CAT_A_HI", "B": "CAT_B", "C": "CAT_C", "D": "CAT_D",
        "GRANTED": "PAROLE_GRANTED", "I": "YOI_CLOSED", "J": "YOI_OPEN", "V": "YOI_RESTRICTED",
        "K": "YOI_SHORT_SENTENCE", "L": "YOI_LONG_TERM_CLOSED", "Z": "UNCLASSIFIED",
        "X": "UNCATEGORISED_SENTENCED_MALE", "LOW": "LOW", "MED": "MEDIUM", "HI": "HIGH", "N/A": "NOT_APPLICABLE",
        "NA": "NOT_APPLICABLE", "P": "PROV_A", "PEND": "PENDING", "REF/REVIEW": "REF_REVIEW",
        "REFUSED": "REFUSED_NO_REVIEW", "STANDARD": "STANDARD", "Q": "FEMALE_RESTRICTED", "R": "FEMALE_CLOSED",
        "S": "FEMALE_SEMI", "T": "FEMALE_OPEN", "U": "UN_SENTENCED", "Y": "YES", "N": "NO",
    },
    "NON_ASSO_TYP": {},
}  # fmt: skip

USAGES: dict[LocationUsageType, UsageType] = {
    "APP": "APPOINTMENT", "VISIT": "VISIT", "MOVEMENT": "MOVEMENT", "OCCUR": "OCCURRENCE",
    "OIC": "ADJUDICATION_HEARING", "OTHER": "OTHER", "OTH": "OTHER", "PROG": "PROGRAMMES_ACTIVITIES",
    "PROP": "PROPERTY",
}  # fmt: skip

HISTORY_ATTRIBUTES: dict[str | None, HistoryAttribute] = {
    "Unit Type": "RESIDENTIAL_HOUSING_TYPE", "Active": "ACTIVE", "Living Unit Id": "CODE", "Comments": "COMMENTS",
    "Accommodation Type": "LOCATION_TYPE", "Certified": "CERTIFIED", "Description": "DESCRIPTION",
    "Baseline CNA": "CERTIFIED_CAPACITY", "Operational Capacity": "OPERATIONAL_CAPACITY",
    "Deactivate Reason": "DEACTIVATED_REASON", "Proposed Reactivate Date": "PROPOSED_REACTIVATION_DATE",
    "Sequence": "ORDER_WITHIN_PARENT_LOCATION", "Deactivate Date": "DEACTIVATED_DATE", "Maximum Capacity": "CAPACITY",
    None: "ATTRIBUTES",
}  # fmt: skip
