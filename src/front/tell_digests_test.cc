// Digests that are computed: of small answers before they begin, of large ones as they pass.
#include "base/base64.h"
#include "front/repr_digest.h"
#include "front/testing/front_scene.h"

namespace forebay::front {
namespace {

class digests_scene : public testing::front_scene {
protected:
  void SetUp() override {
    front_scene::SetUp();
    use({.answer_bytes = 1'000});
  }
  void use(digest_limits limits) {
    memory_of_digests = std::make_shared<digest_memory>(limits);
    settings->digests = memory_of_digests;
    make_space([](space::name_space&) {});
  }
  void serve(std::uint64_t length, std::uint64_t version = 1) {
    origin->reads.set([&](auto& state) {
      state.length_bytes = length;
      state.version = version;
    });
  }
  static std::string digest_of(const std::string& text, origin::digest_kind kind = origin::digest_kind::sha256) {
    const auto sum = origin::digester::make(kind);
    sum->update(std::as_bytes(std::span(text)));
    return render_digest(kind, sum->finish());
  }
  std::shared_ptr<digest_memory> memory_of_digests;
};

constexpr std::pair<const char*, const char*> want_repr{"Want-Repr-Digest", "sha-256=1"},
    want_content{"Want-Content-Digest", "sha-256=1"};

TEST_F(digests_scene, a_small_answer_has_one_from_the_first_reader_on) {
  const auto first = ask("GET", "/data/x", {want_repr, want_content});
  EXPECT_EQ(first.body, bytes(0, 1'000));
  EXPECT_EQ(first.length_bytes, 1'000u);
  EXPECT_EQ(first.field("repr-digest"), digest_of(bytes(0, 1'000)));
  EXPECT_EQ(first.field("content-digest"), digest_of(bytes(0, 1'000)));
  EXPECT_FALSE(ask("GET", "/data/x").fields.has("repr-digest")) << "nobody asked";
  EXPECT_EQ(origin->reads.bytes.load(), 1'000u);
}

TEST_F(digests_scene, what_was_computed_is_told_of_heads_and_parts) {
  EXPECT_FALSE(ask("HEAD", "/data/x", {want_repr}).fields.has("repr-digest")) << "not known yet";
  EXPECT_FALSE(ask("GET", "/data/x", {want_repr, {"Range", "bytes=0-9"}}).fields.has("repr-digest"));
  ask("GET", "/data/x", {want_repr});
  const auto part = ask("GET", "/data/x", {want_repr, {"Range", "bytes=10-19"}});
  EXPECT_EQ(part.status, 206u);
  EXPECT_EQ(part.field("repr-digest"), digest_of(bytes(0, 1'000)));
  EXPECT_EQ(ask("HEAD", "/data/x", {want_repr}).field("repr-digest"), digest_of(bytes(0, 1'000)));
}

TEST_F(digests_scene, the_content_of_a_part_has_its_own) {
  const auto part = ask("GET", "/data/x", {want_content, {"Range", "bytes=10-19"}});
  EXPECT_EQ(part.body, bytes(10, 20));
  EXPECT_EQ(part.field("content-digest"), digest_of(bytes(10, 20)));
  EXPECT_FALSE(part.fields.has("repr-digest"));
  const auto many = ask("GET", "/data/x", {want_content, {"Range", "bytes=1-2,10-19"}});
  EXPECT_FALSE(many.fields.has("content-digest"));
  EXPECT_FALSE(ask("HEAD", "/data/x", {want_repr}).fields.has("repr-digest")) << "a part is not the whole";
}

TEST_F(digests_scene, of_a_large_answer_it_is_known_once_all_of_it_has_passed) {
  serve(300'000);
  const auto first = ask("GET", "/data/x", {{"Want-Repr-Digest", "sha-512=2, sha-256=1"}});
  EXPECT_EQ(first.body, bytes(0, 300'000));
  EXPECT_FALSE(first.fields.has("repr-digest"));
  const auto sha512 = digest_of(bytes(0, 300'000), origin::digest_kind::sha512);
  EXPECT_EQ(ask("GET", "/data/x", {{"Want-Repr-Digest", "sha-512=1"}}).field("repr-digest"), sha512);
  EXPECT_EQ(ask("HEAD", "/data/x", {{"Want-Repr-Digest", "sha-512=1"}}).field("repr-digest"), sha512);
  EXPECT_FALSE(ask("HEAD", "/data/x", {want_repr}).fields.has("repr-digest"));
}

TEST_F(digests_scene, another_version_has_another_one) {
  ask("GET", "/data/x", {want_repr});
  serve(1'000, 2);
  const auto answer = ask("GET", "/data/x", {want_repr, {"Cache-Control", "no-cache"}});
  EXPECT_EQ(answer.body, bytes(0, 1'000, 2));
  EXPECT_EQ(answer.field("repr-digest"), digest_of(bytes(0, 1'000, 2)));
}

TEST_F(digests_scene, a_body_that_breaks_off_is_an_honest_failure_and_leaves_no_digest) {
  origin->reads.set([](auto& state) {
    state.cut_at = 500;
    state.cuts = 1'000;
  });
  EXPECT_GE(ask("GET", "/data/x", {want_repr}).status, 500u);
  serve(300'000);
  EXPECT_TRUE(ask("GET", "/data/y", {want_repr}).broken);
  origin->reads.set([](auto& state) { state.cuts = 0; });
  EXPECT_FALSE(ask("HEAD", "/data/y", {want_repr}).fields.has("repr-digest"));
}

TEST_F(digests_scene, without_room_nobody_waits_for_one) {
  use({.answer_bytes = 1'000, .held_bytes = 999});
  const auto answer = ask("GET", "/data/x", {want_content});
  EXPECT_EQ(answer.body, bytes(0, 1'000));
  EXPECT_FALSE(answer.fields.has("content-digest"));
}

TEST_F(digests_scene, the_stores_word_is_taken_before_one_is_computed) {
  origin->reads.set([](auto& state) {
    state.length_bytes = 0;
    state.damaged = true; // the checksum of no bytes at all
  });
  const auto answer = ask("GET", "/data/x", {{"Want-Repr-Digest", "crc32c=1, sha-256=9"}});
  EXPECT_EQ(answer.field("repr-digest"), "crc32c=:AAAAAA==:");
}

} // namespace
} // namespace forebay::front
