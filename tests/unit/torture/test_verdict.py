"""Each invariant has an example that breaks it, and one flawless trial that breaks none."""

from dataclasses import replace

import pytest

from ops.torture.verdict import Verdict, judge
from ops.torture.written import Effect, Evidence, Expected, Send, Struck
from tests.torture.examples import answer, broken, delivery, good

POISON = Expected(poison={"b": "exit"})


def test_a_trial_in_which_all_went_well_is_clean() -> None:
    verdict = judge(good("a", "b"), Expected(refusals=False))

    assert verdict.clean
    assert str(verdict) == (
        "clean: acknowledged 2, lost 0, committed effects 2, duplicated 0, external sends 2 "
        "(crashes 0), restart p99 9.0 s, quiescent after 3.0 s, violations 0"
    )


def test_i1_an_acknowledged_event_that_is_not_stored_is_lost() -> None:
    evidence = good("a", "b")
    evidence = replace(
        evidence,
        stored=evidence.stored[:1],
        deliveries=evidence.deliveries[:2],
        sends=evidence.sends[:1],
        effects=evidence.effects[:1],
    )
    verdict = judge(evidence, Expected())

    assert verdict.lost == 1
    assert "I1 acknowledged and not stored (1): b" in map(str, verdict.violations)


def test_i1_a_duplicate_names_an_event_that_is_stored() -> None:
    evidence = good("a")
    again = answer("a", status=200, duplicate=True, event_id="e-gone")

    assert "I1 acknowledged and not stored" in broken(
        replace(evidence, answers=[*evidence.answers, again])
    )


def test_i1_a_byte_changed_in_a_body_is_found() -> None:
    evidence = replace(good("a"), answers=[answer("a", digest="other")])

    assert broken(evidence) == {"I1 stored with another body"}


def test_i1_one_event_that_is_stored_twice_is_found() -> None:
    evidence, second = good("a"), good("a")
    twin = replace(second.stored[0], event_id="e2")
    deliveries = [replace(one, event_id="e2") for one in second.deliveries]
    evidence = replace(
        evidence,
        stored=[*evidence.stored, twin],
        deliveries=[*evidence.deliveries, *deliveries],
    )

    assert broken(evidence) == {"I1 stored more than once"}


def test_i1_a_damaged_database_is_found() -> None:
    evidence = replace(good("a"), integrity="row 3 missing from index")

    assert broken(evidence) == {"I1 the database is damaged"}


def test_i2_an_event_that_was_never_dispatched_is_found() -> None:
    evidence = good("a")
    stored = [replace(evidence.stored[0], state="stored")]

    assert broken(replace(evidence, stored=stored)) == {"I2 not dispatched"}


@pytest.mark.parametrize("state", ["waiting", "running", "cancelled"])
def test_i2_a_delivery_that_has_not_ended_is_found(state: str) -> None:
    deliveries = [delivery("a", "sink"), delivery("a", "keep", state=state, awake=True)]

    assert broken(replace(good("a"), deliveries=deliveries)) == {"I2 not delivered"}


def test_i2_a_delivery_that_was_never_made_is_found() -> None:
    assert broken(replace(good("a"), deliveries=[delivery("a", "sink")])) == {"I2 not delivered"}


def test_i2_a_delivery_that_waits_for_ever_is_found() -> None:
    deliveries = [delivery("a", "sink"), delivery("a", "keep", state="waiting", awake=False)]

    found = broken(replace(good("a"), deliveries=deliveries))

    assert "I2 without a wake time" in found


def test_i2_an_innocent_that_was_given_up_is_found() -> None:
    deliveries = [delivery("a", "sink"), delivery("a", "keep", state="quarantined", crashes=3)]

    assert broken(replace(good("a"), deliveries=deliveries)) == {
        "I2 given up although nothing is wrong with it"
    }


@pytest.mark.parametrize(("struck", "complaints"), [(3, 3), (9, 3), (10, 0)])
def test_what_we_killed_ten_times_with_its_worker_may_pass_for_poison(
    struck: int, complaints: int
) -> None:
    lost = {"state": "quarantined", "crashes": 10, "failures": 10, "struck": struck}
    deliveries = [delivery("a", "sink", **lost), delivery("a", "keep", **lost)]
    evidence = good("a", "b")
    deliveries += [delivery("b", "sink"), delivery("b", "keep")]
    evidence = replace(
        evidence, deliveries=deliveries, sends=evidence.sends[1:], effects=evidence.effects[1:]
    )

    assert len(broken(evidence)) == complaints


def with_poison(state: str, **changes: object) -> Evidence:
    evidence = good("a", "b")
    deliveries = [one for one in evidence.deliveries if one.event_id == "ea"]
    deliveries += [delivery("b", "sink"), delivery("b", "keep", state=state, **changes)]
    return replace(evidence, deliveries=deliveries, effects=evidence.effects[:1])


GIVEN_UP = with_poison("quarantined", failures=3, crashes=3, own_crashes=2)


def test_poison_has_to_be_given_up() -> None:
    assert broken(GIVEN_UP, POISON) == set()


def test_i2_poison_that_counts_as_delivered_is_found() -> None:
    assert broken(with_poison("succeeded"), POISON) == {"I2 poison that counts as delivered"}


def test_i2_what_the_ledger_counts_is_a_violation() -> None:
    found = broken(replace(good("a"), ledger={"running_without_worker": 2}))

    assert found == {"I2 ledger"}


def test_i3_a_second_committed_effect_is_found() -> None:
    evidence = good("a")
    evidence = replace(evidence, effects=[*evidence.effects, Effect("a", "e-other", at=12.0)])
    verdict = judge(evidence, Expected())

    assert verdict.duplicated == 1
    assert broken(evidence) == {"I3 more than one committed effect"}


def test_i3_an_event_without_its_effect_is_found() -> None:
    evidence = replace(good("a", "b"), effects=good("b").effects)

    assert broken(evidence) == {"I3 no committed effect"}


def test_i3_an_effect_of_poison_is_found() -> None:
    effects = [Effect("a", "ea", at=11.0), Effect("b", "eb", at=11.0)]
    evidence = replace(GIVEN_UP, effects=effects)

    assert broken(evidence, POISON) == {"I3 an effect of poison"}


def sent_twice(failures: int) -> Evidence:
    evidence = good("a")
    deliveries = [
        delivery("a", "sink", failures=failures, crashes=failures),
        delivery("a", "keep"),
    ]
    return replace(evidence, sends=[*evidence.sends] * 2, deliveries=deliveries)


def test_i4_a_crash_explains_one_more_send() -> None:
    assert broken(sent_twice(failures=1)) == set()


def test_i4_a_second_send_without_a_failure_is_found() -> None:
    assert broken(sent_twice(failures=0)) == {"I4 sent more often than it failed"}


def test_i4_another_idempotency_key_is_found() -> None:
    evidence = good("a")
    evidence = replace(evidence, sends=[*evidence.sends, Send("a", "e-other", "da")])

    assert "I4 several idempotency keys" in broken(evidence)


def test_i4_another_body_is_found() -> None:
    assert broken(replace(good("a"), sends=[Send("a", "ea", "other")])) == {
        "I4 sent with another body"
    }


def test_i4_an_event_that_was_never_sent_is_found() -> None:
    assert broken(replace(good("a"), sends=[])) == {"I4 never sent"}


def test_i6_a_forged_request_that_was_acknowledged_is_found() -> None:
    evidence = good("a")
    forged = answer("forged", genuine=False, event_id="")

    assert broken(replace(evidence, answers=[*evidence.answers, forged])) == {
        "I6 forged and acknowledged"
    }


def test_i6_a_forged_request_that_was_stored_is_found() -> None:
    evidence = good("a", "f")
    answers = [answer("a"), answer("f", genuine=False, status=401, event_id="")]

    assert "I6 forged and stored" in broken(replace(evidence, answers=answers))


def test_i7_metrics_that_differ_from_the_database_are_found() -> None:
    evidence = replace(good("a"), depths={"deliver waiting": (1, 0)})

    assert broken(evidence) == {"I7 metrics and database differ"}


def test_i8_a_trial_that_never_comes_to_rest_is_found() -> None:
    assert broken(replace(good("a"), quiescent_seconds=None)) == {"I8 never quiescent"}


def test_i8_a_trial_that_comes_to_rest_late_is_found() -> None:
    assert broken(replace(good("a"), quiescent_seconds=61.0)) == {"I8 late to be quiescent"}


def test_i8_killed_work_that_restarts_late_is_found() -> None:
    found = broken(replace(good("a"), restarts=[1.0, 31.0]))

    assert found == {"I8 killed work restarted late"}


def test_on_a_machine_that_others_share_everything_may_take_longer() -> None:
    strikes = [Struck("fault", 4.0, 7.0, resume_seconds=2.0)]
    evidence = replace(good("a"), restarts=[31.0], quiescent_seconds=61.0, strikes=strikes)

    assert len(broken(evidence)) == 3
    assert broken(evidence, Expected(stretch=2.0)) == set()


def test_i8_work_that_resumes_late_is_found() -> None:
    late = replace(good("a"), effects=[Effect("a", "ea", at=36.0)])

    assert broken(late) == {"I8 work resumed late"}
    assert broken(replace(late, healed_at=6.1)) == set()


def test_i8_a_refusal_without_a_reason_is_found() -> None:
    evidence = good("a")
    evidence = replace(evidence, answers=[answer("a", status=503, event_id=""), *evidence.answers])

    assert broken(evidence) == set()
    assert broken(evidence, Expected(refusals=False)) == {"I8 refused though it had no reason to"}


def test_nothing_acknowledged_at_all_is_no_clean_trial() -> None:
    verdict: Verdict = judge(replace(good(), quiescent_seconds=1.0), Expected())

    assert not verdict.clean
    assert "nothing was acknowledged" in str(verdict.violations[0])
