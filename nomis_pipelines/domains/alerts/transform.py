"""NOMIS alert to the alerts service's, in its four forms: pure rules (alerts card, section 6).

Codes and texts pass straight through; nothing is left out, cut or looked up.
"""

from nomis_pipelines.contracts.alerts import CreateAlert, MigrateAlert, ResyncAlert, UpdateAlert
from nomis_pipelines.contracts.nomis_prisoner import Alert, AlertAudit


def create_alert(alert: Alert) -> CreateAlert:
    """The body that makes one alert."""
    return CreateAlert(
        alert_code=alert.alert_code.code,
        description=alert.comment,
        active_from=alert.date,
        active_to=alert.expiry_date,
        authorised_by=alert.authorised_by,
    )


def update_alert(alert: Alert) -> UpdateAlert:
    """The body that brings one alert up to date; its code never changes."""
    return UpdateAlert(
        description=alert.comment,
        active_from=alert.date,
        active_to=alert.expiry_date,
        authorised_by=alert.authorised_by,
    )


def migrate_alert(alert: Alert) -> MigrateAlert:
    """One alert of a prisoner's set, as the migration sends it."""
    audit = alert.audit
    return MigrateAlert(
        offender_book_id=alert.booking_id,
        booking_seq=alert.booking_sequence,
        alert_seq=alert.alert_sequence,
        alert_code=alert.alert_code.code,
        description=alert.comment,
        active_from=alert.date,
        active_to=alert.expiry_date,
        authorised_by=alert.authorised_by,
        created_at=audit.create_datetime,
        created_by=audit.create_username,
        created_by_display_name=_creator_name(audit),
        updated_at=audit.modify_datetime,
        updated_by=audit.modify_user_id,
        updated_by_display_name=_modifier_name(audit),
    )


def resync_alert(alert: Alert) -> ResyncAlert:
    """One alert of a prisoner's set, as a resynchronisation sends it."""
    audit = alert.audit
    return ResyncAlert(
        offender_book_id=alert.booking_id,
        alert_seq=alert.alert_sequence,
        alert_code=alert.alert_code.code,
        description=alert.comment,
        active_from=alert.date,
        active_to=alert.expiry_date,
        authorised_by=alert.authorised_by,
        created_at=audit.create_datetime,
        created_by=audit.create_username,
        created_by_display_name=_creator_name(audit),
        last_modified_at=audit.modify_datetime,
        last_modified_by=audit.modify_user_id,
        last_modified_by_display_name=_modifier_name(audit),
        is_active=alert.is_active,
    )


def creator(alert: Alert) -> str:
    """In whose name the alert is made in DPS."""
    return alert.audit.create_username


def modifier(alert: Alert) -> str:
    """In whose name the alert is changed in DPS: who changed it last, else who made it."""
    return alert.audit.create_username if alert.audit.modify_user_id is None else alert.audit.modify_user_id


def _creator_name(audit: AlertAudit) -> str:
    return audit.create_username if audit.create_display_name is None else audit.create_display_name


def _modifier_name(audit: AlertAudit) -> str | None:
    return audit.modify_user_id if audit.modify_display_name is None else audit.modify_display_name
