#include "app/output_file.h"

#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <fstream>
#include <iterator>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <vector>

namespace forebay::app {

output_file::output_file(std::string name)
    : name_(std::move(name)), part_(name_ + ".part"), notes_(name_ + ".part.json") {}

output_file::~output_file() {
  if (fd_ >= 0) ::close(fd_);
}

error output_file::failure(const std::string& during) const {
  return {error_kind::internal, "file", fmt::format("cannot {}: {}", during, std::system_category().message(errno))};
}

std::uint64_t output_file::partial_bytes() const {
  struct stat seen {};
  return ::stat(part_.c_str(), &seen) == 0 && S_ISREG(seen.st_mode) ? static_cast<std::uint64_t>(seen.st_size) : 0;
}

std::string output_file::read_notes() const {
  std::ifstream from(notes_, std::ios::binary);
  return {std::istreambuf_iterator<char>(from), std::istreambuf_iterator<char>()};
}

result<void> output_file::write_notes(const std::string& text) {
  std::ofstream to(notes_, std::ios::binary | std::ios::trunc);
  to << text << std::flush;
  if (!to) return fail(failure("write " + notes_));
  return {};
}

result<void> output_file::open(std::uint64_t from) {
  if (fd_ < 0) fd_ = ::open(part_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (fd_ < 0) return fail(failure("open " + part_));
  if (::ftruncate(fd_, static_cast<off_t>(from)) != 0) return fail(failure("cut " + part_));
  at_ = from;
  return {};
}

result<void> output_file::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(at_));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return fail(failure("write " + part_));
    at_ += static_cast<std::uint64_t>(count);
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  return {};
}

result<std::string> output_file::digest(origin::digest_kind kind) const {
  constexpr std::size_t step_bytes = 1024 * 1024;
  const std::unique_ptr<origin::digester> sum = origin::digester::make(kind);
  std::vector<std::byte> buffer(step_bytes);
  for (std::uint64_t at = 0;;) {
    const ssize_t count = ::pread(fd_, buffer.data(), buffer.size(), static_cast<off_t>(at));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail(failure("read " + part_));
    if (count == 0) return sum->finish();
    sum->update(std::span(buffer).first(static_cast<std::size_t>(count)));
    at += static_cast<std::uint64_t>(count);
  }
}

result<void> output_file::finish() {
  if (::fsync(fd_) != 0) return fail(failure("sync " + part_));
  if (::rename(part_.c_str(), name_.c_str()) != 0) return fail(failure("rename " + part_ + " to " + name_));
  ::unlink(notes_.c_str());
  return {};
}

void output_file::discard() {
  ::unlink(part_.c_str());
  ::unlink(notes_.c_str());
}

} // namespace forebay::app
