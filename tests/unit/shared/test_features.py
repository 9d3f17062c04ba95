"""Which features a gateway offers, by what the replicas behind it announce."""

from shared.features import offered
from shared.protocol.features import FEATURES, SERVERS, served_by

ALL = {service: served_by(service) for service in ("media", "messaging")}


def test_every_feature_has_servers() -> None:
    assert set(SERVERS) == set(FEATURES)


def test_what_all_replicas_serve_is_offered() -> None:
    served = {service: [features, features] for service, features in ALL.items()}
    assert offered(served, believing=False) == list(FEATURES)


def test_one_replica_that_lacks_a_feature_keeps_it_from_all_clients() -> None:
    served = {"media": [ALL["media"]], "messaging": [ALL["messaging"], ALL["messaging"] - {"reaction"}]}
    for believing in (False, True):
        assert offered(served, believing=believing) == [name for name in FEATURES if name != "reaction"]


def test_a_missing_service_offers_no_features_after_the_start() -> None:
    served = {"media": [], "messaging": [ALL["messaging"]]}
    assert offered(served, believing=True) == list(FEATURES)
    assert offered(served, believing=False) == [name for name in FEATURES if name != "upload"]
