"""An issuer of bearer tokens: discovery document, key set, and tokens signed by PyJWT."""

from __future__ import annotations

import json
import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

from .origin import HostileOrigin

DISCOVERY = "/.well-known/openid-configuration"
KEYS = "/keys"

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def make_key(algorithm: str) -> PrivateKey:
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    if algorithm.startswith("ES"):
        return ec.generate_private_key(ec.SECP256R1() if algorithm == "ES256" else ec.SECP384R1())
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Issuer:
    """Keys by their names, published at a ``HostileOrigin``, which also says who asked for them."""

    def __init__(self, site: HostileOrigin) -> None:
        self.site = site
        self.url = site.url
        self._keys: dict[str, tuple[str, PrivateKey]] = {}
        document = {"issuer": self.url, "jwks_uri": self.url + KEYS}
        site.put(DISCOVERY, json.dumps(document).encode())

    def add_key(self, kid: str, algorithm: str = "ES256") -> None:
        self._keys[kid] = (algorithm, make_key(algorithm))
        self._publish()

    def withdraw_key(self, kid: str) -> None:
        del self._keys[kid]
        self._publish()

    def _publish(self) -> None:
        self.site.put(KEYS, self.key_set().encode())

    def key_set(self) -> str:
        keys = []
        for kid, (algorithm, key) in self._keys.items():
            public = get_default_algorithms()[algorithm].to_jwk(key.public_key(), as_dict=True)
            keys.append({**public, "kid": kid, "use": "sig", "alg": algorithm})
        return json.dumps({"keys": keys})

    def fetches(self) -> int:
        return len(self.site.requests(KEYS))

    def token(self, kid: str, *, lasts_s: int = 3600, **claims: Any) -> str:
        """A token of this issuer; ``claims`` are added to, or replace, ``iss``, ``aud``, ``iat`` and ``exp``."""
        algorithm, key = self._keys[kid]
        now = int(time.time())
        usual = {"iss": self.url, "aud": "https://node.example", "sub": "somebody", "iat": now, "exp": now + lasts_s}
        return jwt.encode({**usual, **claims}, key, algorithm=algorithm, headers={"kid": kid})

    def toml(self, name: str = "lab", **settings: Any) -> dict[str, Any]:
        """An element of ``issuers``."""
        return {"name": name, "issuer": self.url, "audiences": ["https://node.example"], **settings}
