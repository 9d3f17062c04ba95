"""A first test of another project. docs/testing-against-it.md shows this file."""

import httpx


def sign_in(chat: str, username: str) -> httpx.Client:
    """REST as a user."""
    token = httpx.post(f"{chat}/dev/login", json={"username": username}).json()["token"]
    return httpx.Client(base_url=chat, headers={"Authorization": f"Bearer {token}"})


def test_two_users_get_a_conversation(chat: str) -> None:
    with sign_in(chat, "somsri") as somsri, sign_in(chat, "somchai") as somchai:
        # Others find a user who was here once.
        somsri.get("/chat/users/me").raise_for_status()
        made = somchai.post("/chat/conversations", json={"username": "somsri"})
        assert made.status_code in {200, 201}
