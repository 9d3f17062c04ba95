"""The notifier: pushes to the devices of those who are away.

The way of a message: `consumer` takes push requests from two queues, new ones and retries. `handlers` drops those that
`decision` finds unwanted, and makes a push job for each of the receiver's `subscriptions` (`push_jobs`). `delivery` queues
the job for its push service, claims it so that nobody sends it twice, and acts on what the service answers. `webpush` makes
the request: `notification` says the text, which is encrypted, signed, and posted to allowed hosts only. `rest` is the REST
interface, with its bodies in `schemas`. `app` puts all of it together.
"""
