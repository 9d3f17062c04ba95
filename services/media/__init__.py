"""Media: pictures, videos, voice and files, from a user's device to the participants of a conversation.

The path of an upload: `rest` takes the reservation, which is a row of `uploads`, within the user's quota. The client sends the
bytes to `receiver`, which puts them into `storage`, or directly to the bucket. `completion` has them inspected by worker
processes with limits of time and memory (`inspection`: `sniffing` finds the type, `images` and `recordings` process the content
and make thumbnails, `scanner` asks a virus scanner if there is one). A message attaches the upload (`shared.uploads`), and
`serving` sends the bytes to clients with a signed URL. `sweep` deletes uploads that nobody needs.
"""
