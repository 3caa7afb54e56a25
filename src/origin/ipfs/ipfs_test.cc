#include <gmock/gmock.h>

#include "base/hash.h"
#include "origin/ipfs/blake2b.h"
#include "origin/ipfs/block_memory.h"
#include "origin/ipfs/multibase.h"
#include "origin/ipfs/murmur3.h"
#include "origin/ipfs/protobuf.h"
#include "origin/ipfs/unixfs.h"
#include "origin/testing/ipfs_store.h"
#include "origin/testing/source_fixture.h"

namespace forebay::origin::ipfs {
namespace {

using namespace std::literals;
using testing::block_of;
using testing::cid_of;
using testing::field;
using ::testing::HasSubstr;

result<node> node_of(const std::string& block) { return read_node(cid_of(codec_dag_pb, block), block); }

TEST(IpfsVarint, ReadsWhatItWritesAndRefusesTheRest) {
  for (const std::uint64_t value : {0ull, 1ull, 127ull, 128ull, 300ull, ~0ull}) {
    std::string text;
    append_varint(text, value);
    std::string_view rest = text;
    EXPECT_EQ(take_varint(rest), value);
    EXPECT_TRUE(rest.empty());
  }
  for (const std::string& bad : {""s, "\x80"s, std::string(11, '\x80'), std::string(9, '\xff') + "\x02"}) {
    std::string_view rest = bad;
    EXPECT_FALSE(take_varint(rest));
  }
}

TEST(IpfsMultibase, DecodesVectorsOfTheSpecification) {
  // multiformats/multibase, tests/basic.csv: "yes mani !".
  for (const char* text : {"bpfsxgidnmfxgsibb", "BPFSXGIDNMFXGSIBB", "z7paNL19xttacUY", "f796573206d616e692021",
                           "F796573206D616E692021", "k2lcpzo5yikidynfl", "K2LCPZO5YIKIDYNFL"}) {
    EXPECT_EQ(multibase_decode(text), "yes mani !") << text;
  }
  EXPECT_EQ(multibase_base32("yes mani !"), "bpfsxgidnmfxgsibb");
  EXPECT_EQ(multibase_decode("z17paNL19xttacUY"), "\0yes mani !"s);
  for (const char* bad : {"", "b", "bA", "Ba", "b1", "f7", "z0", "u-_", "bab"}) {
    EXPECT_EQ(multibase_decode(bad).value_or("none"), "none") << bad;
  }
  EXPECT_FALSE(multibase_decode("z" + std::string(10'000, '2')));
}

TEST(IpfsHashes, AgreeWithTheLiterature) {
  EXPECT_EQ(hex(blake2b_256("")), "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8");
  EXPECT_EQ(hex(blake2b_256("abc")), "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
  // A whole number of its blocks, and one byte more (from Python's hashlib).
  EXPECT_EQ(hex(blake2b_256(std::string(256, 'a'))),
            "eae4d3a7627549b383179dc18049964f91a6fed14c9f3fb26705eda3eeda5558");
  EXPECT_EQ(hex(blake2b_256(std::string(257, 'a'))),
            "496943de3c8b1458635ee30c15bb26cede6957abdd28f0a860cdaf967116c747");
  EXPECT_EQ(murmur3_x64_64(""), 0u);
  EXPECT_EQ(murmur3_x64_64("hello"), 0xcbd8a7b341bd9b02u);
  EXPECT_EQ(murmur3_x64_64("hello, world"), 0x342fac623a5ebc8eu);
  EXPECT_EQ(murmur3_x64_64("The quick brown fox jumps over the lazy dog."), 0xcd99481f9ee902c9u);
}

TEST(IpfsCid, ReadsTheCidsOfTheLiterature) {
  const auto hello = parse_cid("bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e");
  ASSERT_TRUE(hello);
  EXPECT_EQ(hello->codec, codec_raw);
  EXPECT_TRUE(hello->names("hello world"));
  EXPECT_FALSE(hello->names("hello World"));
  const auto empty = parse_cid("QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn");
  ASSERT_TRUE(empty);
  EXPECT_EQ(empty->codec, codec_dag_pb);
  EXPECT_TRUE(empty->names("\x0a\x02\x08\x01"));
  EXPECT_EQ(empty->to_string(), "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354");
  EXPECT_EQ(parse_cid(empty->to_string()), *empty);
  const auto digest = sha256("x");
  EXPECT_EQ(parse_cid("f01551220" + hex(digest)), cid_of(codec_raw, "x"));
}

TEST(IpfsCid, RefusesWhatCannotBeChecked) {
  const std::string good = "\x01\x55\x12\x20" + std::string(32, 'x');
  ASSERT_TRUE(parse_cid(multibase_base32(good)));
  for (const std::string& bad :
       {good + "y", good.substr(0, 20), "\x02\x55\x12\x20" + std::string(32, 'x'), // trailing, cut, version 2
        "\x01\x71\x12\x20" + std::string(32, 'x'),                                 // dag-cbor
        "\x01\x55\x11\x14" + std::string(20, 'x'),                                 // SHA-1
        "\x01\x55\x12\x10" + std::string(16, 'x'),                                 // a digest cut short
        "\x01\x55"s + '\0' + "\x81\x01" + std::string(129, 'x')}) {                // a long identity
    EXPECT_FALSE(parse_cid(multibase_base32(bad)));
  }
  EXPECT_FALSE(parse_cid("QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3N"));
  EXPECT_FALSE(parse_cid("zQmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn"));
}

TEST(IpfsUnixfs, ReadsFilesDirectoriesAndRawBlocks) {
  const cid leaf = cid_of(codec_raw, "leaf");
  const auto file = node_of(
      block_of({{"", leaf}, {"", leaf}}, field(1, 2) + field(2, "abc") + field(3, 11) + field(4, 4) + field(4, 4)));
  ASSERT_TRUE(file) << file.error().message();
  EXPECT_EQ(file->length_bytes, 11u);
  EXPECT_EQ(file->data, "abc");
  EXPECT_EQ(file->links.size(), 2u);
  const auto packed = node_of(block_of({{"", leaf}}, field(1, 2) + field(3, 4) + field(4, "\x04"sv)));
  ASSERT_TRUE(packed);
  EXPECT_EQ(packed->blocks, std::vector<std::uint64_t>{4});
  const auto directory = node_of(block_of({{"a", leaf}}, field(1, 1)));
  ASSERT_TRUE(directory);
  EXPECT_EQ(directory->type, node_type::directory);
  EXPECT_EQ(directory->links[0].name, "a");
  const auto raw = read_node(leaf, "leaf");
  ASSERT_TRUE(raw);
  EXPECT_EQ(raw->length_bytes, 4u);
}

TEST(IpfsUnixfs, RefusesWhatContradictsItself) {
  const cid leaf = cid_of(codec_raw, "leaf");
  const std::string most(9, '\xff');
  for (const std::string& bad : std::vector<std::string>{
           "x", "", field(1, "x"), field(3, "x"),                                           // no dag-pb of UnixFS
           block_of({{"", leaf}}, field(1, 2) + field(3, 4)),                               // a link without a length
           block_of({{"", leaf}}, field(1, 2) + field(3, 5) + field(4, 4)),                 // another sum
           block_of({}, field(1, 2) + field(2, "abc") + field(3, 2)),                       //
           block_of({{"", leaf}, {"", leaf}}, field(1, 2) + field(4, ~0ull) + field(4, 2)), // overflow
           block_of({}, field(1, 9)), block_of({}, field(2, "type")),                       // unknown, none
           block_of({{"00a", leaf}}, field(1, 5) + field(5, 0x22) + field(6, 100)),         // fan-out
           block_of({{"0", leaf}}, field(1, 5) + field(5, 0x22) + field(6, 256)),           // no slot
           block_of({{"00a", leaf}}, field(1, 5) + field(5, 0x12) + field(6, 256)),         // hash
           block_of({}, field(1, 2)) + field(1, field(1, 2)),                               // data twice
           field(2, field(2, "name")) + field(1, field(1, 1))}) {                           // a link to nowhere
    const auto read = node_of(bad);
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().kind, error_kind::broken);
  }
}

TEST(IpfsBlockMemory, KeepsWhatWasUsedLast) {
  block_memory memory(10);
  memory.keep("a", std::make_shared<const std::string>("12345"));
  memory.keep("b", std::make_shared<const std::string>("12345"));
  EXPECT_TRUE(memory.find("a"));
  memory.keep("c", std::make_shared<const std::string>("1"));
  EXPECT_TRUE(memory.find("a"));
  EXPECT_FALSE(memory.find("b"));
  memory.keep("huge", std::make_shared<const std::string>("12345678901"));
  EXPECT_FALSE(memory.find("huge"));
}

class IpfsTest : public testing::source_test {
protected:
  /// A source over a gateway that answers from `blocks`.
  std::shared_ptr<source> tree(const cid& root) {
    server_ = std::make_unique<testing::raw_origin>([this](testing::raw_connection& peer) {
      for (std::string head = peer.read_head(); !head.empty(); head = peer.read_head()) {
        const std::size_t begin = head.find("/ipfs/") + 6;
        const std::string name = head.substr(begin, head.find('?') - begin);
        heads.add(head);
        if (failures > 0) {
          --failures;
          peer.write(testing::raw_answer("503 Service Unavailable", "", ""));
          continue;
        }
        const auto found = blocks.find(name);
        peer.write(found == blocks.end() ? testing::raw_answer("404 Not Found", "", "")
                                         : testing::raw_answer("200 OK", "", found->second));
      }
    });
    return open("ipfs://" + root.to_string() + "?gateways=" + server_->url(""));
  }
  cid add(std::uint64_t codec, const std::string& block) {
    const cid name = cid_of(codec, block);
    blocks[name.to_string()] = block;
    return name;
  }
  std::map<std::string, std::string> blocks; ///< filled before the source is made
  testing::seen_heads heads;
  std::atomic<int> failures{0}; ///< so many answers are 503
  std::unique_ptr<testing::raw_origin> server_;
};

TEST_F(IpfsTest, ReadsAcrossBlocksAndPins) {
  const cid a = add(codec_raw, "0123"), b = add(codec_raw, "4567");
  const cid file =
      add(codec_dag_pb, block_of({{"", a}, {"", b}}, field(1, 2) + field(3, 8) + field(4, 4) + field(4, 4)));
  const cid root = add(codec_dag_pb, block_of({{"f.nc", file}}, field(1, 1)));
  const auto from = tree(root);
  const auto whole = read(from, "f.nc");
  ASSERT_TRUE(whole.answer) << whole.failed->message();
  EXPECT_EQ(whole.body, "01234567");
  EXPECT_EQ(whole.answer->pinned, (validator{validator_kind::content_id, file.to_string()}));
  EXPECT_THAT(heads.last(), HasSubstr("Accept: application/vnd.ipld.raw"));
  read_request part;
  part.key = "f.nc";
  part.range = http::range_spec{3, 4};
  part.pin = whole.answer->pinned;
  EXPECT_EQ(read(from, std::move(part)).body, "34");
  read_request other;
  other.key = "f.nc";
  other.pin = {validator_kind::content_id, a.to_string()};
  EXPECT_EQ(read(from, std::move(other)).failed->kind, error_kind::changed);
}

TEST_F(IpfsTest, AFileThatLiesAboutItsPartsBreaksOff) {
  const cid a = add(codec_raw, "0123");
  const cid file = add(codec_dag_pb, block_of({{"", a}}, field(1, 2) + field(3, 5) + field(4, 5)));
  const auto got = read(tree(file), "");
  ASSERT_TRUE(got.failed);
  EXPECT_EQ(got.failed->kind, error_kind::broken);
}

TEST_F(IpfsTest, ChildrenWithoutBytesAreNeverFetched) {
  // Each level names the next many times: fetched in full it would be 64^8 blocks.
  cid level = add(codec_dag_pb, block_of({}, field(1, 2)));
  for (int depth = 0; depth < 8; ++depth) {
    std::string lengths;
    for (int i = 0; i < 64; ++i) lengths += field(4, 0);
    level =
        add(codec_dag_pb, block_of(std::vector<std::pair<std::string, cid>>(64, {"", level}), field(1, 2) + lengths));
  }
  const cid last = add(codec_raw, "x");
  const cid root = add(codec_dag_pb, block_of({{"", level}, {"", last}}, field(1, 2) + field(4, 0) + field(4, 1)));
  EXPECT_EQ(read(tree(root), "").body, "x");
  EXPECT_EQ(heads.size(), 2u);
}

TEST_F(IpfsTest, AGatewaysAbsenceIsNotTheObjects) {
  const cid lost = cid_of(codec_raw, "lost");
  const auto from = tree(add(codec_dag_pb, block_of({{"lost", lost}}, field(1, 1))));
  EXPECT_EQ(read(from, "none").failed->kind, error_kind::not_found);
  EXPECT_EQ(read(from, "lost").failed->kind, error_kind::unreachable);
}

TEST_F(IpfsTest, WhatMayPassIsTriedAgain) {
  const auto from = tree(add(codec_raw, "data"));
  failures = 2;
  EXPECT_EQ(read(from, "").body, "data");
  EXPECT_EQ(heads.size(), 3u);
}

TEST_F(IpfsTest, OneIdentityForEverySpelling) {
  auto settings = testing::quick_settings();
  settings.ipfs_gateways = {"http://127.0.0.1:1"};
  const auto v0 = open("ipfs://QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn/a", settings);
  const auto v1 = open("ipfs://bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354", settings);
  EXPECT_EQ(v0->identify("b", "").canonical(), v1->identify("a/b", "").canonical());
  EXPECT_FALSE(make_source("ipfs://QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn", testing::quick_settings()));
  for (const char* url :
       {"ipfs://nonsense", "ipfs://", "ipfs://QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn?gateways=ftp://x",
        "ipfs://QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn?gateways=https://u:p@x"}) {
    EXPECT_FALSE(make_source(url, settings)) << url;
  }
}

} // namespace
} // namespace forebay::origin::ipfs
