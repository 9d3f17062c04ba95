"""Media: pictures, videos, voice and files, from a user's device to the participants of a conversation.

An upload's way: `rest` takes the reservation, which is a row of `uploads`, within the user's quota. The bytes come to
`receiver` (or go to the bucket itself) and into `storage`. `completion` has them looked at: `processing` runs `inspection` in
worker processes that are bounded in time and memory, with `sniffing` for the type, `images` and `recordings` for what is in the
file, and the `scanner` if there is one. A message takes the upload (`shared.uploads`), and `serving` gives the bytes to whoever
has a signed URL. `sweep` deletes what nobody needs.
"""
