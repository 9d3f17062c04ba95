"""A first test of another project. docs/testing-against-it.md shows this file."""

import httpx


def sign_in(chat: str, username: str) -> httpx.Client:
    """REST as a user, whom others can find from now on."""
    token = httpx.post(f"{chat}/dev/login", json={"username": username}).json()["token"]
    client = httpx.Client(base_url=chat, headers={"Authorization": f"Bearer {token}"})
    client.get("/chat/users/me").raise_for_status()
    return client


def test_two_users_get_a_conversation(chat: str) -> None:
    with sign_in(chat, "somsri"), sign_in(chat, "somchai") as somchai:
        made = somchai.post("/chat/conversations", json={"username": "somsri"})
        assert made.status_code in {200, 201}
