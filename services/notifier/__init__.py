"""The notifier: web push for those who are away.

A message's way: `consumer` takes what is due; `policy` says whether it is wanted, by what `receivers` finds; each of the
receiver's `subscriptions` is `owed` one. `dispatcher` puts it into the `lane` of its push service, with a `circuit`, and
takes a claim (`claims`), so that nobody sends it twice. `sender` makes the request: `notification`, `encryption`, `vapid`,
where `allowlist` allows; `pushclient` posts it, to public `addresses` only. `outcome` says what the answer means, `settlement`
acts on it: done, forgotten, or one of the `retries`. `http` is the REST interface.
"""
