#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>

#include "base/limit_counter.h"
#include "net/testing/waiting.h"
#include "origin/file/file_source.h"
#include "origin/file/open_beneath.h"
#include "origin/file/upload_name.h"
#include "origin/testing/source_fixture.h"

namespace forebay::origin::file {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class FileTest : public origin::testing::source_test {
protected:
  FileTest() {
    std::string pattern = (fs::temp_directory_path() / "forebay-file-XXXXXX").string();
    base_ = ::mkdtemp(pattern.data());
    fs::create_directories(base_ / "tree/sub");
    put("tree/a.nc", "0123456789");
    put("outside.nc", "secret");
  }
  /// What an upload that was broken off leaves is taken away by another thread, maybe at this moment.
  ~FileTest() override {
    std::error_code raced;
    for (unsigned tries = 0; tries < 100 && fs::exists(base_, raced); ++tries) fs::remove_all(base_, raced);
  }

  void put(const std::string& path, std::string_view text) {
    std::ofstream out(base_ / path, std::ios::binary | std::ios::trunc);
    out << text;
  }
  /// Writes in place until the file system's clock has ticked: within one tick no time tells two writes apart.
  void rewrite(const std::string& path, std::string_view text) {
    const std::string full = (base_ / path).string();
    struct stat before {
    }, after{};
    ASSERT_EQ(::stat(full.c_str(), &before), 0);
    do {
      put(path, text);
      ASSERT_EQ(::stat(full.c_str(), &after), 0);
    } while (before.st_ctim.tv_sec == after.st_ctim.tv_sec && before.st_ctim.tv_nsec == after.st_ctim.tv_nsec);
  }
  std::string text_of(const std::string& path) const {
    std::ifstream in(base_ / path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  /// The tree as a source; files count as settled at once.
  std::shared_ptr<source> tree_source(const std::string& parameters = "") {
    return open("file://" + (base_ / "tree").string() + "?settle=0" + parameters);
  }
  std::vector<std::string> keys(const std::shared_ptr<source>& from, list_request asked) {
    const auto page = list(from, std::move(asked));
    EXPECT_TRUE(page) << page.error().message();
    std::vector<std::string> found;
    if (page) {
      for (const auto& each : page->entries) found.push_back(each.key);
    }
    return found;
  }
  error_kind failure(const std::shared_ptr<source>& from, const std::string& key) {
    const auto got = read(from, key);
    EXPECT_TRUE(got.failed) << key;
    return got.failed ? got.failed->kind : error_kind::internal;
  }
  std::vector<std::string> temporary_files() const {
    std::vector<std::string> found;
    for (const auto& each : fs::recursive_directory_iterator(base_)) {
      if (is_upload_name(each.path().filename().string())) found.push_back(each.path().string());
    }
    return found;
  }

  fs::path base_;
};

write_request put_request(const std::string& key, std::string body) {
  write_request asked;
  asked.method = "PUT";
  asked.key = key;
  asked.length_bytes = body.size();
  asked.body = http::make_body(std::move(body));
  return asked;
}

TEST_F(FileTest, ReadsWholeFilesAndRanges) {
  const auto from = tree_source();
  const auto whole = read(from, "a.nc");
  ASSERT_TRUE(whole.answer) << whole.failed->message();
  EXPECT_EQ(whole.body, "0123456789");
  EXPECT_EQ(whole.answer->status, 200u);
  EXPECT_EQ(whole.answer->length_bytes, 10u);
  EXPECT_EQ(whole.answer->fields.get("Content-Type"), "application/x-netcdf");
  EXPECT_EQ(whole.answer->pinned.kind, validator_kind::strong_etag);
  read_request part;
  part.key = "a.nc";
  part.range = http::range_spec{2, 4};
  part.pin = whole.answer->pinned;
  const auto got = read(from, std::move(part));
  ASSERT_TRUE(got.answer) << got.failed->message();
  EXPECT_EQ(got.body, "234");
  EXPECT_EQ(got.answer->range, (byte_range{2, 5}));
  read_request beyond;
  beyond.key = "a.nc";
  beyond.range = http::range_spec{10, 20};
  const auto none = read(from, std::move(beyond));
  ASSERT_TRUE(none.failed);
  EXPECT_EQ(unsatisfied_length(*none.failed), 10u);
}

TEST_F(FileTest, HeadAndConditions) {
  const auto from = tree_source();
  read_request head;
  head.key = "a.nc";
  head.head_only = true;
  const auto got = read(from, std::move(head));
  ASSERT_TRUE(got.answer);
  EXPECT_EQ(got.answer->body, nullptr);
  EXPECT_EQ(got.answer->length_bytes, 10u);
  read_request again;
  again.key = "a.nc";
  again.if_none_match = got.answer->pinned.value;
  EXPECT_EQ(read(from, std::move(again)).answer->status, 304u);
}

TEST_F(FileTest, ANewVersionIsAnotherPin) {
  const auto from = tree_source();
  const auto before = read(from, "a.nc");
  rewrite("tree/a.nc", "9876543210");
  read_request pinned;
  pinned.key = "a.nc";
  pinned.pin = before.answer->pinned;
  const auto got = read(from, std::move(pinned));
  ASSERT_TRUE(got.failed);
  EXPECT_EQ(got.failed->kind, error_kind::changed);
}

TEST_F(FileTest, AFileOfAnotherContentWithTheSameSizeAndMtimeIsAnotherVersion) {
  const auto from = tree_source();
  struct stat old {};
  ASSERT_EQ(::stat((base_ / "tree/a.nc").c_str(), &old), 0);
  const auto before = read(from, "a.nc");
  rewrite("tree/a.nc", "9876543210");
  const timespec times[2] = {old.st_atim, old.st_mtim}; // what cp -p and rsync -t do
  ASSERT_EQ(::utimensat(AT_FDCWD, (base_ / "tree/a.nc").c_str(), times, 0), 0);
  EXPECT_NE(read(from, "a.nc").answer->pinned, before.answer->pinned);
}

TEST_F(FileTest, WhatWasJustWrittenHasNoValidator) {
  const auto from = open("file://" + (base_ / "tree").string() + "?settle=1h");
  const auto got = read(from, "a.nc");
  ASSERT_TRUE(got.answer);
  EXPECT_FALSE(got.answer->pinned);
  EXPECT_FALSE(got.answer->fields.has("ETag"));
  EXPECT_FALSE(got.answer->fields.has("Last-Modified"));
  read_request again;
  again.key = "a.nc";
  again.if_modified_since = "Sun, 06 Nov 2094 08:49:37 GMT";
  EXPECT_EQ(read(from, std::move(again)).answer->status, 200u);
}

TEST_F(FileTest, AFileThatIsWrittenWhileItIsReadBreaksOff) {
  put("tree/big", std::string(64 * 1024, 'a'));
  tree of{.root = (base_ / "tree").string(), .settle = {}, .name = "file"};
  const auto opened = open_regular(of, "big");
  ASSERT_TRUE(opened);
  std::vector<std::byte> room(4096);
  ASSERT_TRUE(read_piece(of, *opened, 0, room));
  rewrite("tree/big", std::string(64 * 1024, 'b'));
  const auto got = read_piece(of, *opened, 4096, room);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().kind, error_kind::changed);
}

TEST_F(FileTest, AFileThatIsReplacedByRenameIsReadOnAsItWas) {
  put("tree/big", std::string(8192, 'a'));
  tree of{.root = (base_ / "tree").string(), .settle = {}, .name = "file"};
  const auto opened = open_regular(of, "big");
  put("tree/new", std::string(8192, 'b'));
  std::vector<std::byte> room(4096);
  ASSERT_TRUE(read_piece(of, *opened, 0, room));
  fs::rename(base_ / "tree/a.nc", base_ / "tree/other"); // others' renames do not matter
  const auto got = read_piece(of, *opened, 4096, room);
  ASSERT_TRUE(got) << got.error().message();
  EXPECT_EQ(room[0], std::byte{'a'});
}

TEST_F(FileTest, NoKeyLeavesTheTree) {
  fs::create_symlink("../outside.nc", base_ / "tree/up");
  fs::create_symlink((base_ / "outside.nc").string(), base_ / "tree/absolute");
  fs::create_symlink("..", base_ / "tree/parent");
  fs::create_symlink("a.nc", base_ / "tree/link");
  for (const char* policy : {"", "&symlinks=refuse", "&symlinks=follow"}) {
    const auto from = tree_source(policy);
    for (const char* key : {"../outside.nc", "sub/../../outside.nc", "/etc/hostname", "./a.nc", "sub//x", "", "."}) {
      EXPECT_EQ(failure(from, key), error_kind::not_found) << key << policy;
    }
  }
  for (const char* key : {"up", "absolute", "parent/outside.nc"}) {
    EXPECT_EQ(failure(tree_source(), key), error_kind::forbidden) << key;
    EXPECT_EQ(failure(tree_source("&symlinks=refuse"), key), error_kind::forbidden) << key;
    EXPECT_EQ(read(tree_source("&symlinks=follow"), std::string(key)).body, "secret") << key;
  }
  EXPECT_EQ(read(tree_source(), "link").body, "0123456789");
  EXPECT_EQ(failure(tree_source("&symlinks=refuse"), "link"), error_kind::forbidden);
}

TEST_F(FileTest, TheWalkOfOldKernelsFollowsNoLinks) {
  fs::create_symlink("a.nc", base_ / "tree/link");
  fs::create_symlink("..", base_ / "tree/parent");
  put("tree/sub/b", "b");
  const tree of{.root = (base_ / "tree").string(), .name = "file"};
  const auto root = open_root(of);
  ASSERT_TRUE(root);
  EXPECT_TRUE(walk_beneath(of, root->get(), "sub/b", O_RDONLY));
  EXPECT_TRUE(walk_beneath(of, root->get(), "", O_RDONLY | O_DIRECTORY));
  for (const char* path : {"link", "parent/outside.nc", "../outside.nc", "sub/../../outside.nc"}) {
    for (const int flags : {O_RDONLY, O_PATH}) {
      EXPECT_FALSE(walk_beneath(of, root->get(), path, flags)) << path << " " << flags;
    }
  }
}

/// A call of the file system that hangs until it is let go.
struct hanging_call {
  std::promise<void> begun, answer, ended;
  static std::function<void()> made(const std::shared_ptr<hanging_call>& one) {
    return [one] {
      one->begun.set_value();
      one->answer.get_future().wait();
      one->ended.set_value();
    };
  }
};

TEST_F(FileTest, LettingGoOfATreeDoesNotWaitForACallThatHangs) {
  const auto call = std::make_shared<hanging_call>();
  auto workers = workers_of("/a/tree/that/hangs", {});
  EXPECT_EQ(workers_of("/a/tree/that/hangs", {}), workers);
  EXPECT_TRUE(workers->submit(hanging_call::made(call)));
  workers.reset(); // as a reload does; a wait for the call would be for ever
  call->answer.set_value();
  call->ended.get_future().wait();
}

TEST_F(FileTest, AQueueThatIsFullRefuses) {
  origin_limits small;
  small.file_threads = 1;
  small.file_queue = 1;
  const auto call = std::make_shared<hanging_call>();
  const auto workers = workers_of("/a/small/tree", small);
  EXPECT_TRUE(workers->submit(hanging_call::made(call)));
  call->begun.get_future().wait();
  EXPECT_TRUE(workers->submit([] {}));
  const auto refused = metrics::refused_by("file_queue").value();
  EXPECT_FALSE(workers->submit([] {}));
  EXPECT_EQ(metrics::refused_by("file_queue").value(), refused + 1);
  call->answer.set_value();
}

TEST_F(FileTest, IdentitiesDifferByTreePolicyAndNode) {
  const auto base = tree_source();
  EXPECT_EQ(base->identify("a", "").canonical(), tree_source()->identify("a", "").canonical());
  EXPECT_NE(base->identify("a", "").canonical(), tree_source("&symlinks=follow")->identify("a", "").canonical());
  auto other = testing::quick_settings();
  other.node_name = "node-2";
  const std::string url = "file://" + (base_ / "tree").string();
  EXPECT_NE(open(url)->identify("a", "").canonical(), open(url, other)->identify("a", "").canonical());
  EXPECT_EQ(open(url + "?tree=lustre")->identify("a", "").canonical(),
            open(url + "?tree=lustre", other)->identify("a", "").canonical());
}

TEST_F(FileTest, SpecialFilesAndDirectoriesAreNoObjects) {
  ASSERT_EQ(::mkfifo((base_ / "tree/fifo").c_str(), 0600), 0);
  const auto from = tree_source();
  for (const char* key : {"fifo", "sub", "none", "a.nc/below"}) {
    EXPECT_EQ(failure(from, key), error_kind::not_found) << key;
  }
  EXPECT_EQ(failure(from, std::string(300, 'x')), error_kind::not_found);
}

TEST_F(FileTest, ATreeThatIsNotThereIsNotEmpty) {
  const auto from = tree_source("&present=mounted");
  EXPECT_EQ(failure(from, "none"), error_kind::unreachable);
  EXPECT_FALSE(list(from, {}));
  put("tree/mounted", "");
  EXPECT_EQ(failure(from, "none"), error_kind::not_found);
  fs::remove_all(base_ / "tree");
  EXPECT_EQ(failure(tree_source(), "none"), error_kind::unreachable);
  EXPECT_FALSE(list(tree_source(), {}));
}

TEST_F(FileTest, ErrorsOfTheFileSystemKeepTheirMeaning) {
  const tree of{.name = "file"};
  for (const auto& [number, kind] : std::vector<std::pair<int, error_kind>>{{ENOENT, error_kind::not_found},
                                                                            {EACCES, error_kind::forbidden},
                                                                            {ESTALE, error_kind::unreachable},
                                                                            {EIO, error_kind::broken},
                                                                            {EMFILE, error_kind::exhausted},
                                                                            {ENAMETOOLONG, error_kind::not_found},
                                                                            {EXDEV, error_kind::forbidden},
                                                                            {ENOSPC, error_kind::exhausted}}) {
    const error made = error_of(of, number, "x");
    EXPECT_EQ(made.kind, kind) << number;
    EXPECT_EQ(made.retryable, kind == error_kind::unreachable || kind == error_kind::broken) << number;
  }
}

// Listings.

TEST_F(FileTest, ListsInTheOrderOfBytesAndInPages) {
  for (const char* name : {"b", "sub/x", "sub/y", "sub.nc", "sub0"}) put("tree/" + std::string(name), "1");
  ASSERT_EQ(::mkfifo((base_ / "tree/fifo").c_str(), 0600), 0);
  const auto from = tree_source();
  EXPECT_THAT(keys(from, {}), ElementsAre("a.nc", "b", "sub.nc", "sub/", "sub0"));
  list_request all;
  all.recursive = true;
  all.max_entries = 2;
  std::vector<std::string> found;
  for (;;) {
    auto page = list(from, all);
    ASSERT_TRUE(page);
    for (auto& each : page->entries) found.push_back(std::move(each.key));
    if (!page->truncated()) break;
    ASSERT_LE(page->entries.size(), 2u);
    all.continuation = page->next;
  }
  EXPECT_THAT(found, ElementsAre("a.nc", "b", "sub.nc", "sub/x", "sub/y", "sub0"));
  list_request prefix;
  prefix.prefix = "sub/x";
  EXPECT_THAT(keys(from, prefix), IsEmpty()); // the prefix itself is a marker
  prefix.markers = true;
  EXPECT_THAT(keys(from, prefix), ElementsAre("sub/x"));
  prefix.prefix = "sub/";
  EXPECT_THAT(keys(from, prefix), ElementsAre("sub/x", "sub/y"));
  prefix.prefix = "nowhere/x";
  EXPECT_THAT(keys(from, prefix), IsEmpty());
  const auto one = list(from, {});
  EXPECT_EQ(one->entries[0].length_bytes, 10u);
  EXPECT_FALSE(one->entries[0].etag.empty());
  EXPECT_TRUE(one->entries[0].modified);
}

TEST_F(FileTest, ListsLinksByThePolicyAndNeverInCircles) {
  put("tree/sub/x", "1");
  fs::create_symlink("../a.nc", base_ / "tree/sub/link");
  fs::create_symlink("..", base_ / "tree/sub/circle");
  fs::create_symlink("../../outside.nc", base_ / "tree/sub/out");
  fs::create_symlink("nowhere", base_ / "tree/sub/dangling");
  list_request all;
  all.recursive = true;
  EXPECT_THAT(keys(tree_source(), all), ElementsAre("a.nc", "sub/link", "sub/x"));
  EXPECT_THAT(keys(tree_source("&symlinks=refuse"), all), ElementsAre("a.nc", "sub/x"));
  EXPECT_THAT(keys(tree_source("&symlinks=follow"), all), ElementsAre("a.nc", "sub/link", "sub/out", "sub/x"));
}

// Writes.

TEST_F(FileTest, WritesFilesWholeOrNotAtAll) {
  const auto to = tree_source();
  EXPECT_EQ(write(to, put_request("new/dir/b", "hello")).status, 201u);
  EXPECT_EQ(text_of("tree/new/dir/b"), "hello");
  EXPECT_EQ(write(to, put_request("new/dir/b", "again")).status, 204u);
  EXPECT_EQ(text_of("tree/new/dir/b"), "again");
  auto shorter = put_request("new/dir/b", "half");
  shorter.length_bytes = 100;
  EXPECT_TRUE(write(to, std::move(shorter)).failed);
  EXPECT_EQ(text_of("tree/new/dir/b"), "again");
  write_request gone;
  gone.method = "DELETE";
  gone.key = "new/dir/b";
  EXPECT_EQ(write(to, std::move(gone)).status, 204u);
  EXPECT_FALSE(fs::exists(base_ / "tree/new/dir/b"));
  write_request twice;
  twice.method = "DELETE";
  twice.key = "new/dir/b";
  EXPECT_EQ(write(to, std::move(twice)).status, 404u);
}

TEST_F(FileTest, WritesDoNotLeaveTheTree) {
  fs::create_symlink("..", base_ / "tree/parent");
  const auto to = tree_source();
  for (const char* key : {"../b", "parent/b", "sub/../../b", ".forebay-upload-x", ""}) {
    EXPECT_TRUE(write(to, put_request(key, "x")).failed) << key;
  }
  EXPECT_FALSE(fs::exists(base_ / "b"));
  EXPECT_TRUE(write(to, put_request("sub", "x")).failed);
}

TEST_F(FileTest, ConditionsOfWritesHold) {
  const auto to = tree_source();
  auto fresh = put_request("a.nc", "x");
  fresh.fields.add("If-None-Match", "*");
  EXPECT_EQ(write(to, std::move(fresh)).status, 412u);
  EXPECT_EQ(text_of("tree/a.nc"), "0123456789");
  auto match = put_request("a.nc", "x");
  match.fields.add("If-Match", read(to, "a.nc").answer->pinned.value);
  EXPECT_EQ(write(to, std::move(match)).status, 204u);
}

TEST_F(FileTest, AConditionOfAMissingFileIsNotTakenForOneOfAFile) {
  const auto to = tree_source();
  const auto conditional = [](const char* key, const char* name, const char* value) {
    auto asked = put_request(key, "x");
    asked.fields.add(name, value);
    return asked;
  };
  EXPECT_EQ(write(to, conditional("fresh", "If-None-Match", "*")).status, 201u);
  EXPECT_EQ(write(to, conditional("fresh", "If-None-Match", "*")).status, 412u);
  EXPECT_EQ(write(to, conditional("missing", "If-Match", "*")).status, 412u);
  EXPECT_FALSE(fs::exists(base_ / "tree/missing"));
  fs::create_symlink("../outside.nc", base_ / "tree/out"); // it cannot be looked at: neither there nor not there
  EXPECT_TRUE(write(to, conditional("out", "If-None-Match", "*")).failed);
  EXPECT_EQ(write(to, put_request("out", "x")).status, 204u) << "without a condition a link is replaced";
  EXPECT_EQ(text_of("outside.nc"), "secret");
}

TEST_F(FileTest, OfTwoUploadsThatOverlapUnderOneConditionOneFails) {
  const tree of = *file_source::parse("file://" + (base_ / "tree").string() + "?settle=0");
  const auto tag = open_regular(of, "a.nc")->version.etag();
  const auto matches = [&]() -> result<void> {
    if (open_regular(of, "a.nc")->version.etag() == tag) return {};
    return fail(error_kind::changed, "tree", "another version");
  };
  auto one = upload::begin(of, "a.nc"), other = upload::begin(of, "a.nc");
  ASSERT_TRUE(one && other && matches());
  EXPECT_TRUE(one->finish(matches, false));
  const auto lost = other->finish(matches, false);
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().kind, error_kind::changed);
  auto fresh = upload::begin(of, "new"), late = upload::begin(of, "new");
  const auto always = [] { return result<void>(); };
  EXPECT_TRUE(fresh->finish(always, true));
  const auto taken = late->finish(always, true); // as if the name were taken between look and rename
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().kind, error_kind::changed);
}

TEST_F(FileTest, APrefixOfASlashIsNoOtherNameOfTheRoot) {
  list_request asked;
  for (const char* prefix : {"/", "/sub/", "sub//"}) {
    asked.prefix = prefix;
    EXPECT_THAT(keys(tree_source(), asked), IsEmpty()) << prefix;
    EXPECT_THAT(keys(tree_source("&symlinks=follow"), asked), IsEmpty()) << prefix;
  }
}

TEST_F(FileTest, TemporaryFilesAreNoKeys) {
  put("tree/.forebay-upload-0", "half");
  auto from = tree_source();
  EXPECT_EQ(failure(from, ".forebay-upload-0"), error_kind::not_found);
  EXPECT_THAT(keys(from, {}), ElementsAre("a.nc", "sub/"));
  fs::remove(base_ / "tree/.forebay-upload-0");
  auto shorter = put_request("b", "half");
  shorter.length_bytes = 100;
  write(from, std::move(shorter));
  net::testing::eventually([&] { return temporary_files().empty(); }); // a worker removes it
}

TEST_F(FileTest, IsOfNamespacesAlone) {
  auto settings = testing::quick_settings();
  settings.operator_named = false;
  const auto made = make_source("file:///tmp", settings);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().kind, error_kind::forbidden);
}

TEST_F(FileTest, RefusesUrlsThatNameNoTree) {
  for (const char* url : {"file://host/x", "file://", "file:relative", "file:///a/../b", "file:///a?symlinks=yes",
                          "file:///a?settle=x", "file:///a?present=../x", "file:///a?symlink=inside"}) {
    const auto made = make_source(url, testing::quick_settings());
    ASSERT_FALSE(made) << url;
    EXPECT_EQ(made.error().kind, error_kind::invalid_input) << url;
  }
  EXPECT_THAT(make_source("file:///a?symlink=inside", {}).error().context, HasSubstr("symlinks"));
}

} // namespace
} // namespace forebay::origin::file
