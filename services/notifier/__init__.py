"""The notifier: sends push notifications to the devices of receivers whom no active client reached.

The path of a message: `consumer` takes push requests from two queues, one of new ones and one of retries. `decision` decides
whether a push is wanted. `handlers` drops the unwanted requests, and makes a push job (`push_jobs`) for each of the receiver's
`targets`: browsers (`subscriptions`) and apps (`devices`). `delivery` queues the job for its push service, decides again right
before the request, claims the job so that no other replica sends it too, and handles the outcome. `webpush` and `native` make the
request; `notification` makes its text.

`rest` is the REST interface, with its bodies in `schemas`: devices, and the user's `push_settings` with their `quiet_hours`.
`events` consumes other services' events about users, `requests` the server API's requests. `app` builds everything.
"""
