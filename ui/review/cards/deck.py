"""The deck of cards in the browser, and its way to the ledger."""

import logging
from pathlib import Path
from typing import Any

import streamlit as st

from ui.review.cards import card as review_cards
from ui.review.cards import card_list
from ui.review.case.data import Case, States
from ui.review.case.session import session
from ui.shell import theme
from ui.shell.sentences import counted
from wann_core.datasets.class_names import listed_order
from wann_core.errors import WannError
from wann_core.review.ledger import ACTIONS
from wann_core.review.verdict import MOST_NOTE, Verdict
from wann_core.text import visible
from wann_core.typing import Array

_KEY = "review_deck"
_MOST_ITEMS = 1_000
_PREPARED = 8  # pages whose pictures are known to be there or under way
_HERE = Path(__file__).parent
SCRIPT = "\n".join(
    (_HERE / name).read_text(encoding="utf-8") for name in ("deck_view.js", "deck.js")
)
_component = st.components.v2.component(
    "wann_review_deck", css=(_HERE / "deck.css").read_text(encoding="utf-8"), js=SCRIPT
)


def show(case: Case, listing: card_list.Listing, states: States, who: str, blind: bool) -> None:
    """Draw the page's cards; verdicts go to the ledger before the page runs again.

    Parameters
    ----------
    case : Case
    listing : Listing
    states : States
        The verdicts that the cards show.
    who : str
        Who judges.
    blind : bool
        Whether the verdicts are second looks, see `Ledger.record`.
    """

    def heard() -> None:
        log = st.session_state[_KEY].log
        if log:
            receive(case, log, who, states.version, blind)

    _prepare_once(case, listing.shown)
    state = session()
    last = listing.first + len(listing.shown)
    total = len(listing.positions)
    _component(
        key=_KEY,
        on_log_change=heard,
        data={
            "list": listing.token,
            "page": listing.page,
            "case": str(hash(case.key)),
            "provisional": case.provisional,
            "client": state.heard[0],
            "sequence": state.heard[1],
            "focus": {"id": state.focus_id, "turn": state.focus_turn},
            "classes": _readable(list(case.found.rows.class_names)),
            "order": listed_order(case.found.rows.class_names),
            "colors": theme.VERDICTS,
            "who": who,
            "longest": MOST_NOTE,
            "cards": _readable(review_cards.page(case, listing, states)),
            "first": listing.first + 1,
            "more": last < total,
            # Judged again one by one: these lists are for a look at each card.
            "total": 0 if st.session_state.get(card_list.SHOW) in card_list.PEOPLE else total,
            "where": f"{listing.first + 1:,}–{last:,} of {total:,}",
        },
    )
    # Only now: this page must not wait for the pictures of the next one.
    _prepare_once(case, listing.ahead)


def _readable(value: Any) -> Any:
    """Texts, within lists and objects, so that none turns the line or hides what follows."""
    if isinstance(value, str):
        return value if value.startswith("data:image/") else visible(value)
    if isinstance(value, dict):
        return {key: _readable(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_readable(one) for one in value]
    return value


def _prepare_once(case: Case, positions: Array) -> None:
    known = session().prepared
    page = (case.key, case.provisional, positions.tobytes())
    if page not in known:
        known[page] = None
        while len(known) > _PREPARED:
            del known[next(iter(known))]
        review_cards.prepare(case, positions)


def receive(case: Case, log: Any, who: str, seen: int | None = None, blind: bool = False) -> None:
    """Serve the events that the browser sends, each once, in their order.

    They were made on cards that showed the ledger's version `seen`.

    What is not acknowledged comes again with later events; the session remembers which were
    served.
    """
    client, events = _checked(log)
    state = session()
    known, served = state.heard
    if known != client:
        served = 0
    for event in events:
        if event["sequence"] <= served:
            continue
        try:
            _serve(case, event, who, seen, blind)
        except WannError as error:
            # The card keeps the verdict that the ledger has.
            state.error = str(error)
        served = event["sequence"]
        state.heard = client, served


def _checked(log: Any) -> tuple[str, list[dict[str, Any]]]:
    """The browser's client id and its well-formed events."""
    try:
        client, events = str(log["client"])[:64], list(log["events"])
        return client, [event for event in events if isinstance(event["sequence"], int)]
    except (KeyError, TypeError):
        logging.getLogger(__name__).warning("the deck sent what is not a log of events")
        return "", []


def _serve(case: Case, event: dict[str, Any], who: str, seen: int | None, blind: bool) -> None:
    kind = event.get("kind")
    if kind == "page":
        card_list.turn_page(1 if event.get("by") == 1 else -1)
    elif kind == "head":
        card_list.to_head()
    elif kind == "find":
        _find(case, event)
    elif kind in ("undo", "redo"):
        _step(case, kind, who, blind)
    elif kind == "verdict":
        _record(case, event, who, seen, blind)


def _record(case: Case, event: dict[str, Any], who: str, seen: int | None, blind: bool) -> None:
    action, items = event.get("action"), event.get("items")
    if action not in ACTIONS or not isinstance(items, list) or len(items) > _MOST_ITEMS:
        raise WannError("the browser sent a verdict that cannot be read; reload the page.")
    if "list" in event:
        wanted = card_list.still_wanted(case, str(event["list"]))
        verdicts = case.verdicts_on(wanted, action)
        session().note = _on_all(action, len(verdicts), len(wanted))
    else:
        verdicts = [_verdict(case, action, item) for item in items]
    if verdicts:
        batch = f"{action}, {len(verdicts)} at once" if len(verdicts) > 1 else None
        case.ledger.record(verdicts, who=who, batch=batch, seen=seen, second_look=blind)


def _on_all(action: str, judged: int, wanted: int) -> str:
    rest = f"; {wanted - judged:,} have no suggestion and stay" if judged < wanted else ""
    return f"{action.capitalize()}: {counted(judged, 'row')}{rest}. Undo takes all back."


def _find(case: Case, event: dict[str, Any]) -> None:
    """Turn to the page of a card, and point the deck to it."""
    position = _position(case, event)
    if position is not None:
        card_list.go_to(position)
        session().focus(review_cards.identity(case, position))


def _position(case: Case, item: Any) -> int | None:
    """Where the row of a card stands; None for what is not one of our cards."""
    try:
        split, _, row = item["id"].partition("-")
        return case.position(split, int(row))
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def _verdict(case: Case, action: str, item: Any) -> Verdict:
    position = _position(case, item)
    try:
        label = item.get("label") if action == "relabel" else None
        new = None if label is None else case.found.rows.class_names[int(label)]
        note = str(item.get("note") or "")
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        position = None
    if position is None:
        raise WannError("the browser sent a verdict on an unknown row; reload the page.")
    return case.verdict_on(position, action, new, note)


def _times(states: States) -> dict[int, str]:
    """When each row got its verdict in force."""
    when = states.table["when"].tolist()
    return {position: when[i] for position, i in states.places.items()}


def _step(case: Case, kind: str, who: str, blind: bool) -> None:
    """Undo or redo the person's last operation, and point the deck to the card that it was on."""

    def shown() -> States:
        return case.blind_states(who) if blind else case.states()

    before = shown()
    number = case.ledger.undo(who) if kind == "undo" else case.ledger.redo(who)
    if number is None:
        session().note = f"Nothing of yours to {kind}."
        return
    after = shown()
    now, then = _times(after), _times(before)
    changed = [p for p in {*now, *then} if now.get(p) != then.get(p)]
    first = min(changed, key=lambda p: case.ranks[p], default=None)
    what = "Undone" if kind == "undo" else "Done again"
    if first is None:
        session().note = f"{what}; a later verdict stays in force."
        return
    place = review_cards.where(case, first)
    many = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
    session().note = f"{what}: {place}{many}."
    card_list.go_to(first)
    session().focus(review_cards.identity(case, first))
