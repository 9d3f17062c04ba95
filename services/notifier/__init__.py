"""The notifier: pushes to the devices of those who are away.

The way of a message: `consumer` takes push requests from two queues, new ones and retries. `handlers` drops those that
`decision` finds unwanted, and makes a push job (`push_jobs`) for each of the receiver's `targets`: browsers
(`subscriptions`) and apps (`devices`). `delivery` queues the job for its push service, decides it again right before the
request, claims it so that nobody sends it twice, and acts on what the service answers. `webpush` and `native` make the
request, with the text of `notification`.

`rest` is the REST interface, with its bodies in `schemas`: devices, and the user's `push_settings` with their `quiet_hours`.
`events` takes what other services tell of users, `requests` what the server API asks. `app` puts all of it together.
"""
