"""Writes sigv4_vectors.h: signatures that botocore computes, to compare ours with.

Run with an interpreter that has botocore: python3 make_sigv4_vectors.py | clang-format-16 > sigv4_vectors.h
"""

import datetime
import sys

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.utils import percent_encode

WHEN = datetime.datetime(2024, 2, 29, 23, 59, 59)
BUCKET_HOST = "data.example.org:9000"
KEYS = [
    "plain.nc",
    "a b/c d.nc",
    "plus+sign=equals&and?mark#hash.nc",
    "time=2020-01-01/lat=5/chunk.0.0",
    "double//slash///end/",
    "/leading",
    "dots/./and/../more",
    "Ünïcödé/日本/😀.zarr/.zattrs",
    "percent%20literal%2F%",
    "tilde~star*paren(1)!'quote'\"double\"",
    "semi;colon:comma,at@dollar$",
    "tab\tnewline\nback\\slash",
]
QUERIES = [
    "",
    "list-type=2&prefix=a%20b%2F&delimiter=%2F&encoding-type=url",
    "uploads",
    "partNumber=1&uploadId=abc%2Bdef%3D%3D",
]


def sign(method, path, query, region, token):
    botocore.auth.get_current_datetime = lambda **_: WHEN
    url = f"http://{BUCKET_HOST}{path}" + (f"?{query}" if query else "")
    request = AWSRequest(method=method, url=url, data=b"")
    auth = botocore.auth.S3SigV4Auth(
        Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", token), "s3", region
    )
    auth.add_auth(request)
    assert request.headers["X-Amz-Date"] == "20240229T235959Z", request.headers["X-Amz-Date"]
    return request.headers["Authorization"].rsplit("Signature=", 1)[1]


def quoted(text):
    """A C++ literal of the UTF-8 bytes; octal escapes end after three digits."""
    out = ""
    for byte in text.encode():
        plain = 32 <= byte < 127 and chr(byte) not in '"\\?'
        out += chr(byte) if plain else f"\\{byte:03o}"
    return f'"{out}"'


def main():
    out = sys.stdout
    out.write("// Signatures computed by botocore; written by make_sigv4_vectors.py.\n#pragma once\n\n")
    out.write("namespace forebay::origin::s3 {\n\n")
    out.write("struct sigv4_vector {\n")
    out.write("  const char *method, *key, *encoded_path, *query, *region, *token, *signature;\n};\n\n")
    out.write("inline constexpr sigv4_vector sigv4_vectors[] = {\n")
    for method, region, token in (("GET", "us-east-1", None), ("HEAD", "eu-west-3", "token/with+signs==")):
        for key in KEYS:
            path = "/bucket/" + percent_encode(key, safe="/~")
            row = (method, key, path, "", region, token or "", sign(method, path, "", region, token))
            out.write("    {" + ", ".join(quoted(each) for each in row) + "},\n")
    for query in QUERIES:
        row = ("GET", "", "/bucket", query, "us-east-1", "", sign("GET", "/bucket", query, "us-east-1", None))
        out.write("    {" + ", ".join(quoted(each) for each in row) + "},\n")
    out.write("};\n\n} // namespace forebay::origin::s3\n")


if __name__ == "__main__":
    main()
