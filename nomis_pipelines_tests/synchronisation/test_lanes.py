"""Whatever comes in whatever order: one message of a key at a time, earliest first, and none forgotten."""

from hypothesis import given, strategies as st

from nomis_pipelines.synchronisation.classify import Work
from nomis_pipelines.synchronisation.lanes import Held, Lanes
from nomis_pipelines.synchronisation.sqs import SqsMessage

moves = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 3), st.integers(0, 5)),
        st.tuples(st.just("start"), st.just(0), st.just(0)),
        st.tuples(st.just("end"), st.integers(0, 3), st.just(0)),
        st.tuples(st.just("remove"), st.integers(0, 3), st.just(0)),
    ),
    max_size=80,
)


def held(key: int, sent: int, arrival: int) -> Held:
    message = SqsMessage(message_id=str(arrival), receipt="", body="", sent_milliseconds=sent, receive_count=1)
    work = Work(event_type="A", alert_type="A", published=0.0, key=str(key))
    return Held(message=message, work=work, arrival=arrival, hidden_until=0.0)


@given(moves)
def test_one_of_a_key_at_a_time_earliest_first_and_none_forgotten(moves):
    lanes, waiting, running, arrivals = Lanes(), {}, {}, 0
    for move, key, sent in moves:
        if move == "add":
            arrivals += 1
            message = held(key, sent, arrivals)
            lanes.add(message)
            waiting[message.arrival] = message
        elif move == "start":
            started = lanes.start()
            startable = [each for each in waiting.values() if each.work.key not in running]
            assert (started is None) == (not startable)
            if started is not None:
                same = [each for each in startable if each.work.key == started.work.key]
                assert started.order == min(each.order for each in same)
                running[started.work.key] = waiting.pop(started.arrival)
        elif move == "end" and str(key) in running:
            lanes.end(running.pop(str(key)))
        elif move == "remove":
            for removed in lanes.remove(lambda each, key=key: each.work.key == str(key) and each.arrival % 2 == 0):
                del waiting[removed.arrival]
        assert lanes.waiting == len(waiting)
