"""Native push: apps on Android (FCM) and on Apple's systems (APNs)."""
