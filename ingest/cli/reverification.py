"""Verifying rejected requests again from a command line: with the folder's configuration."""

from contextlib import closing

import uuid_utils

from ingest.cli.located import located_database, located_settings
from ingest.cli.located_config import located_config
from ingest.credentials import load_key
from ingest.learned_config import with_learned
from ingest.queue import build_broker, publish_events
from ingest.reverifying import Reverifying, Tally
from ingest.store.learned_secrets import live
from ingest.store.rejected import Wanted, get_rejected
from ingest.vault import Vault
from ingest.waited_keys import WaitedKeys


def reverified(only: str | None, wanted: Wanted) -> Tally:
    """Verify one (by its id or the start of it), or all that are wanted and here by now."""
    settings = located_settings()
    config = located_config(settings)
    key = load_key(settings.key_file)
    tally = Tally()
    with (
        located_database(settings) as database,
        closing(build_broker(settings.broker_url, [])) as broker,
        WaitedKeys() as keys,
    ):
        config = with_learned(config, Vault(key).by_source(live(database)))
        run = Reverifying(
            database,
            config,
            key,
            lambda ids: publish_events(broker, ids),
            keys.fetch,
            settings.origin,
        )
        if only is not None:
            run.one(get_rejected(database, only), tally)
            return tally
        until_id = str(uuid_utils.uuid7())
        while run.run(wanted, tally, until_id=until_id):
            pass
    return tally
