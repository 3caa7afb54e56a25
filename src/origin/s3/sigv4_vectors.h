// Signatures computed by botocore; written by make_sigv4_vectors.py.
#pragma once

namespace forebay::origin::s3 {

struct sigv4_vector {
  const char *method, *key, *encoded_path, *query, *region, *token, *signature;
};

inline constexpr sigv4_vector sigv4_vectors[] = {
    {"GET", "plain.nc", "/bucket/plain.nc", "", "us-east-1", "", "ed5baad9234d3dd8411d65e991e76bfd1b843b3ec49e1a23bf560c6975542c2b"},
    {"GET", "a b/c d.nc", "/bucket/a%20b/c%20d.nc", "", "us-east-1", "", "06090308ff7f092df1acd913ae071611953d1438229e5d3b2f2ae71be28204df"},
    {"GET", "plus+sign=equals&and\077mark#hash.nc", "/bucket/plus%2Bsign%3Dequals%26and%3Fmark%23hash.nc", "", "us-east-1", "", "9c29d746166af8cc1a0fc4b072c4d0760a2a666f97e779916ade6f9ea9bf372d"},
    {"GET", "time=2020-01-01/lat=5/chunk.0.0", "/bucket/time%3D2020-01-01/lat%3D5/chunk.0.0", "", "us-east-1", "", "a8d1f73fd7f2e0a3c48e7822456357d739016b6e92ded91e44483526332774f9"},
    {"GET", "double//slash///end/", "/bucket/double//slash///end/", "", "us-east-1", "", "777ded5e041f2380e8d0d67e9cac79916257d8ad22c839cdd46e8ffa636432c4"},
    {"GET", "/leading", "/bucket//leading", "", "us-east-1", "", "9f7beedb795665b2639bb5eea0d4ece3f858bc1b2ee54b03849441183475c85d"},
    {"GET", "dots/./and/../more", "/bucket/dots/./and/../more", "", "us-east-1", "", "63d620444d89badc5db4f6f155428f21986de4a10f10d676ebce9bb459fa70b1"},
    {"GET", "\303\234n\303\257c\303\266d\303\251/\346\227\245\346\234\254/\360\237\230\200.zarr/.zattrs", "/bucket/%C3%9Cn%C3%AFc%C3%B6d%C3%A9/%E6%97%A5%E6%9C%AC/%F0%9F%98%80.zarr/.zattrs", "", "us-east-1", "", "90e5f70634f9173fba26ee498fdd6f3a8e28b00b0698b64697504b1762156971"},
    {"GET", "percent%20literal%2F%", "/bucket/percent%2520literal%252F%25", "", "us-east-1", "", "e79f05cda0620abf7304862df23520cf7207452d676d21d6611b0771902857fb"},
    {"GET", "tilde~star*paren(1)!'quote'\042double\042", "/bucket/tilde~star%2Aparen%281%29%21%27quote%27%22double%22", "", "us-east-1", "", "27f36cb9544808a67c5e0db230adb5f7a44a0fe57a2046715b7d44a9a3e8789c"},
    {"GET", "semi;colon:comma,at@dollar$", "/bucket/semi%3Bcolon%3Acomma%2Cat%40dollar%24", "", "us-east-1", "", "e3ec26c2e96c2854331305fbe9fd286ab480b6ed48f57cf568ccf8732947bc10"},
    {"GET", "tab\011newline\012back\134slash", "/bucket/tab%09newline%0Aback%5Cslash", "", "us-east-1", "", "5a1714f1827709d3697abf0886798f749950c0f3da66c7300d55980fa0adab00"},
    {"HEAD", "plain.nc", "/bucket/plain.nc", "", "eu-west-3", "token/with+signs==", "997ff0ce2308a7759fa867ae4aa936da4bed0768855036e4771e65536776d7d9"},
    {"HEAD", "a b/c d.nc", "/bucket/a%20b/c%20d.nc", "", "eu-west-3", "token/with+signs==", "d4d131f0072864721b69c0692add45f0d78d5922bf049753037547cf27dac48f"},
    {"HEAD", "plus+sign=equals&and\077mark#hash.nc", "/bucket/plus%2Bsign%3Dequals%26and%3Fmark%23hash.nc", "", "eu-west-3", "token/with+signs==", "e2847941cc92f579768d3514372f230e5c93ab8aaf1ba8a4f851319eff2e3c73"},
    {"HEAD", "time=2020-01-01/lat=5/chunk.0.0", "/bucket/time%3D2020-01-01/lat%3D5/chunk.0.0", "", "eu-west-3", "token/with+signs==", "93c253bd5a0678c86d53d529851d01da40943e87a78c9745c7b2b8d9060437da"},
    {"HEAD", "double//slash///end/", "/bucket/double//slash///end/", "", "eu-west-3", "token/with+signs==", "006712e7e2d781b36041a6bad0523f753c1f25dd90be2bd664dd31d1b547c748"},
    {"HEAD", "/leading", "/bucket//leading", "", "eu-west-3", "token/with+signs==", "034dc5188d56df0c148b46865dfb5a28532c9f5b050a3595099068eb4883e4ac"},
    {"HEAD", "dots/./and/../more", "/bucket/dots/./and/../more", "", "eu-west-3", "token/with+signs==", "db962bae03786a6415c36d848fae94ffd70fb7a0eeb09e1c34d32c935790e500"},
    {"HEAD", "\303\234n\303\257c\303\266d\303\251/\346\227\245\346\234\254/\360\237\230\200.zarr/.zattrs", "/bucket/%C3%9Cn%C3%AFc%C3%B6d%C3%A9/%E6%97%A5%E6%9C%AC/%F0%9F%98%80.zarr/.zattrs", "", "eu-west-3", "token/with+signs==", "b1b5acb766ec9c431a5f1b5cd3cd1088184d232771674653c70fd202c8a61ac0"},
    {"HEAD", "percent%20literal%2F%", "/bucket/percent%2520literal%252F%25", "", "eu-west-3", "token/with+signs==", "a47123daa2f85605e63da7e5af11bab86788e1e441b27b7aa82ae57d7d7058d8"},
    {"HEAD", "tilde~star*paren(1)!'quote'\042double\042", "/bucket/tilde~star%2Aparen%281%29%21%27quote%27%22double%22", "", "eu-west-3", "token/with+signs==", "553c6904aeb067725d585c27b1c96466b15b26efc91201d210787e8aee08de5a"},
    {"HEAD", "semi;colon:comma,at@dollar$", "/bucket/semi%3Bcolon%3Acomma%2Cat%40dollar%24", "", "eu-west-3", "token/with+signs==", "5dea64e53c1c59c84a7df8def0398df621ceb5439bff3eba0cd93e929574c514"},
    {"HEAD", "tab\011newline\012back\134slash", "/bucket/tab%09newline%0Aback%5Cslash", "", "eu-west-3", "token/with+signs==", "4fc7b31aab36813b496dcb82e42e8db129ea9958390069ac171661ba781470b7"},
    {"GET", "", "/bucket", "", "us-east-1", "", "ec31719d5f85eb6a5d3019c10030df136e2c09cc33fdc870daddd15503a5dd86"},
    {"GET", "", "/bucket", "list-type=2&prefix=a%20b%2F&delimiter=%2F&encoding-type=url", "us-east-1", "", "8496dee7e9b409ee1c2b048991fa68966d8da6470c01c832ebdd738087d55d0c"},
    {"GET", "", "/bucket", "uploads", "us-east-1", "", "86b0d8afde4a7903dd5553952210fdfd8cf5b09cc596bdf8e646a188881853f7"},
    {"GET", "", "/bucket", "partNumber=1&uploadId=abc%2Bdef%3D%3D", "us-east-1", "", "f5abfb918b766501c27ea287b813b194889368ddf9168f99d15d1dc063f8c96e"},
};

} // namespace forebay::origin::s3
