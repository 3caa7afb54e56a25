// The pure parts of the commands: addresses, listings, Zarr keys, notes of partial downloads.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/admin_commands.h"
#include "app/connections.h"
#include "app/dav_listing.h"
#include "app/exit_codes.h"
#include "app/get.h"
#include "app/node.h"
#include "app/node_client.h"
#include "app/progress.h"
#include "app/store_url.h"
#include "app/zarr_keys.h"

namespace forebay::app {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::string_view near = "http://near:8080";

TEST(store_url, open_stores) {
  EXPECT_EQ(map_to_node("s3://bucket/a b/é+=%", near), "/s3/bucket/a%20b/%C3%A9%2B%3D%25");
  EXPECT_EQ(map_to_node("gs://b/k", near), "/gs/b/k");
  EXPECT_EQ(map_to_node("az://account/container/k", near), "/az/account/container/k");
  EXPECT_EQ(map_to_node("abfs://container@account.dfs.core.windows.net/a/k", near), "/az/account/container/a/k");
  EXPECT_EQ(map_to_node("https://Data.Example.org/a%20b?x=1#top", near), "/https/data.example.org/a%20b?x=1");
  EXPECT_EQ(map_to_node("http://h:81", near), "/http/h:81/");
  EXPECT_EQ(map_to_node("https://h?q", near), "/https/h/?q");
}

TEST(store_url, paths_of_the_node) {
  EXPECT_EQ(map_to_node("/era5/x", near), "/era5/x");
  EXPECT_EQ(map_to_node("/era5/a b%20c", near), "/era5/a%20b%20c"); // typed blanks are encoded, escapes stay
  EXPECT_EQ(map_to_node("http://near:8080/era5/x?y", near), "/era5/x?y");
  EXPECT_EQ(map_to_node("http://near:8080", near), "/");
  EXPECT_EQ(map_to_node("http://near:80801/x", near), "/http/near:80801/x");
}

TEST(store_url, refuses) {
  for (const char* url :
       {"", "era5/x", "ftp://h/x", "s3:///k", "s3://", "https://", "https://user@h/x", "abfs://c@h/k"})
    EXPECT_FALSE(map_to_node(url, near)) << url;
  for (const char* url : {"", "near:8080", "ftp://near", "http://near/path", "http://near?x", "http://"})
    EXPECT_FALSE(normalise_node_url(url)) << url;
  EXPECT_EQ(normalise_node_url("http://near:8080//"), "http://near:8080");
}

TEST(store_url, file_names) {
  EXPECT_EQ(file_name_of("/a/b%20c.nc?x=/y"), "b c.nc");
  EXPECT_EQ(file_name_of("/a/"), "");
  EXPECT_EQ(file_name_of("/a/%2E%2E"), "");
  EXPECT_EQ(file_name_of("/a/..%2Fetc%2Fpasswd"), "");
}

http::response_head head(unsigned status, std::initializer_list<std::pair<const char*, const char*>> fields) {
  http::response_head made;
  made.status = status;
  for (const auto& [name, value] : fields) made.fields.add(name, value);
  return made;
}

TEST(get, place_of_an_answer) {
  EXPECT_EQ(place_of(head(200, {{"Content-Length", "10"}}), 5)->begin, 0u);
  EXPECT_EQ(place_of(head(200, {}), {})->end, UINT64_MAX);
  const auto part = place_of(head(206, {{"Content-Range", "bytes 5-9/10"}, {"Content-Length", "5"}}), 5);
  ASSERT_TRUE(part);
  EXPECT_EQ(part->begin, 5u);
  EXPECT_EQ(part->end, 10u);
  EXPECT_EQ(part->object_bytes, 10u);
  EXPECT_FALSE(place_of(head(206, {{"Content-Range", "bytes 4-9/10"}}), 5)); // not what was asked for
  EXPECT_FALSE(place_of(head(206, {{"Content-Range", "bytes 5-9/10"}, {"Content-Length", "6"}}), 5));
  EXPECT_FALSE(place_of(head(206, {{"Content-Range", "bytes */10"}}), 5));
  EXPECT_FALSE(place_of(head(206, {}), 5));
  EXPECT_FALSE(place_of(head(204, {}), {}));
}

TEST(get, notes_of_a_partial_download) {
  const partial_state state{"/era5/x", "\"v1\"", 1ull << 40};
  const auto read = parse_partial_state(render_partial_state(state));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->target, state.target);
  EXPECT_EQ(read->etag, state.etag);
  EXPECT_EQ(read->length_bytes, state.length_bytes);
  for (const char* bad :
       {"", "{}", R"({"target":"/x","etag":"W/\"1\"","length":5})", R"({"target":"/x","etag":"","length":5})",
        R"({"target":"/x","etag":"\"1\"","length":0})", R"({"target":1,"etag":"\"1\"","length":5})"})
    EXPECT_FALSE(parse_partial_state(bad)) << bad;
}

TEST(dav_listing, members) {
  const auto listed = parse_listing(R"(<?xml version="1.0"?><d:multistatus xmlns:d="DAV:">
    <d:response><d:href>/ns/a%20b/</d:href><d:propstat><d:prop><d:resourcetype><d:collection/></d:resourcetype></d:prop></d:propstat></d:response>
    <d:response><d:href>http://h/ns/a%20b/x</d:href><d:propstat><d:prop><d:getcontentlength>7</d:getcontentlength><d:resourcetype/></d:prop></d:propstat></d:response>
    <d:response><d:href>/ns/a%20b/sub</d:href><d:propstat><d:prop><d:resourcetype><d:collection/></d:resourcetype></d:prop></d:propstat></d:response>
    </d:multistatus>)",
                                    "/ns/a%20b");
  ASSERT_TRUE(listed);
  ASSERT_EQ(listed->size(), 2u);
  EXPECT_EQ((*listed)[0].path, "/ns/a%20b/x");
  EXPECT_EQ((*listed)[0].length_bytes, 7u);
  EXPECT_EQ((*listed)[1].path, "/ns/a%20b/sub/");
  EXPECT_TRUE((*listed)[1].collection);
  EXPECT_FALSE(parse_listing("<html/>", "/"));
  EXPECT_FALSE(parse_listing("not xml", "/"));
}

std::vector<std::string> chunk_keys(const zarr_array& array) {
  std::vector<std::string> keys;
  each_chunk_key(array, [&](std::string key) { keys.push_back(std::move(key)); });
  return keys;
}

TEST(zarr_keys, version_2) {
  const auto store = parse_zarr_metadata(".zmetadata", R"({"metadata": {".zgroup": {}, "t/.zattrs": {},
    "t/.zarray": {"shape": [3, 2], "chunks": [2, 2]}, "n/.zarray": {"shape": [4], "chunks": [4], "dimension_separator": "/"}}})");
  ASSERT_TRUE(store);
  EXPECT_EQ(store->metadata_keys.size(), 5u);
  ASSERT_EQ(store->arrays.size(), 2u);
  EXPECT_THAT(chunk_keys(store->arrays[0]), ElementsAre("n/0"));
  EXPECT_THAT(chunk_keys(store->arrays[1]), ElementsAre("t/0.0", "t/1.0"));
  const auto scalar = parse_zarr_metadata(".zarray", R"({"shape": [], "chunks": []})");
  ASSERT_TRUE(scalar);
  EXPECT_THAT(chunk_keys(scalar->arrays[0]), ElementsAre("0"));
}

TEST(zarr_keys, version_3) {
  const auto store = parse_zarr_metadata("zarr.json", R"({"node_type": "group", "consolidated_metadata": {"metadata": {
    "g/t": {"node_type": "array", "shape": [2, 3], "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [1, 2]}},
            "chunk_key_encoding": {"name": "default"}},
    "v": {"node_type": "array", "shape": [1], "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [1]}},
          "chunk_key_encoding": {"name": "v2"}}, "g": {"node_type": "group"}}}})");
  ASSERT_TRUE(store);
  EXPECT_THAT(store->metadata_keys, ElementsAre("zarr.json", "g/zarr.json", "g/t/zarr.json", "v/zarr.json"));
  EXPECT_THAT(chunk_keys(store->arrays[0]), ElementsAre("g/t/c/0/0", "g/t/c/0/1", "g/t/c/1/0", "g/t/c/1/1"));
  EXPECT_THAT(chunk_keys(store->arrays[1]), ElementsAre("v/0"));
  const auto scalar = parse_zarr_metadata("zarr.json", R"({"node_type": "array", "shape": [],
    "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": []}}})");
  EXPECT_THAT(chunk_keys(scalar->arrays[0]), ElementsAre("c"));
}

TEST(zarr_keys, refuses_what_makes_no_sense) {
  for (const char* bad : {"", "[]", R"({"shape": [3], "chunks": [0]})", R"({"shape": [3], "chunks": [1, 1]})",
                          R"({"shape": [-3], "chunks": [1]})", R"({"shape": "3", "chunks": [1]})"})
    EXPECT_FALSE(parse_zarr_metadata(".zarray", bad)) << bad;
  EXPECT_FALSE(parse_zarr_metadata("zarr.json", R"({"node_type": "group"})"));
  EXPECT_FALSE(parse_zarr_metadata(".zmetadata", R"({"metadata": []})"));
  zarr_array huge;
  huge.chunks = {UINT64_MAX, 3};
  EXPECT_EQ(chunk_count(huge), UINT64_MAX);
  zarr_array empty;
  empty.chunks = {0, 3};
  EXPECT_EQ(chunk_keys(empty).size(), 0u);
}

TEST(progress, bars_and_sizes) {
  EXPECT_EQ(render_bar(0.5, 4), "[##  ]");
  EXPECT_EQ(render_bar(-1, 4), "[    ]");
  EXPECT_EQ(render_bar(9, 4), "[####]");
  EXPECT_EQ(human_size(999), "999 B");
  EXPECT_EQ(human_size(1536), "1.5 KiB");
  EXPECT_EQ(human_size(3ull << 40), "3.0 TiB");
}

TEST(exit_codes, follow_the_failure) {
  EXPECT_EQ(exit_code_of({error_kind::not_found, "", ""}), exit_not_found);
  EXPECT_EQ(exit_code_of({error_kind::timeout, "", ""}), exit_unreachable);
  EXPECT_EQ(exit_code_of({error_kind::unreachable, "", ""}), exit_unreachable);
  EXPECT_EQ(exit_code_of({error_kind::forbidden, "", ""}), exit_failed);
}

TEST(status_text, says_what_is_missing_plainly) {
  EXPECT_THAT(render_status_text("{}"), HasSubstr("state        starting"));
  EXPECT_EQ(render_status_text("no json"), "no json");
  const std::string text = render_status_text(
      R"({"uptime_seconds": 3700, "requests": {"by_outcome": {"hit": 3, "miss": 1}, "in_flight": 2, "hit_ratio": 0.75}})");
  EXPECT_THAT(text, HasSubstr("uptime       1 h 1 min\n"));
  EXPECT_THAT(text, HasSubstr("requests     4 answered, 2 in flight; hits: 75.0 %\n"));
}

TEST(connection_book, counts_clients_and_lets_them_go) {
  std::atomic<std::int64_t> open{0};
  connection_book book(open);
  const auto one = *net::ip_address::parse("192.0.2.1"), other = *net::ip_address::parse("192.0.2.2");
  auto first = book.enter(one, 2);
  {
    const auto second = book.enter(one, 2);
    EXPECT_TRUE(first && second);
    EXPECT_FALSE(book.enter(one, 2));
    EXPECT_TRUE(book.enter(one, 0)); // unlimited
    EXPECT_TRUE(book.enter(other, 2));
    EXPECT_EQ(open, 2);
  }
  EXPECT_TRUE(book.enter(one, 2));
  first.reset();
  EXPECT_EQ(open, 0);
}

TEST(addresses, as_json) {
  EXPECT_EQ(render_addresses({{"127.0.0.1:1", {"data", "admin"}}}),
            "{\"listeners\":[{\"address\":\"127.0.0.1:1\",\"serve\":[\"data\",\"admin\"]}]}\n");
}

} // namespace
} // namespace forebay::app
