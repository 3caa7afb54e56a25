// Tries the files of a folder on a fuzzer's entry: whole, cut at every byte of their beginning, and changed in ways
// that are the same in every run. Without libFuzzer, so that it is an ordinary test in every build. Exit code 2 when
// there is nothing to try.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

/// Foreign bytes arrive in pieces, so a parser meets every prefix; past this, heads have ended.
constexpr std::size_t prefixes_max = 512;
/// Changed copies of each file: some seconds for the slowest entry under the sanitizers.
constexpr unsigned changes_per_file = 300;

std::vector<std::filesystem::path> files_of(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& each : std::filesystem::recursive_directory_iterator(folder)) {
    if (each.is_regular_file()) files.push_back(each.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<std::uint8_t> bytes_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

/// In memory of exactly its length, so that AddressSanitizer sees a read past the end.
void try_input(const std::vector<std::uint8_t>& bytes, std::size_t length) {
  const std::vector<std::uint8_t> exact(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(length));
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

/// Deterministic numbers (xorshift64): a failure is found again by running the test again.
struct dice {
  std::uint64_t state = 0x9e3779b97f4a7c15ull;
  std::size_t below(std::size_t bound) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return static_cast<std::size_t>(state % bound);
  }
};

/// One of the changes that parsers stumble over: another byte, a byte more or less, a part twice, a part moved.
void change(std::vector<std::uint8_t>& bytes, dice& random) {
  static constexpr char telling[] = "\0\r\n\t \",;:=-+*/%#0199aFz\x7f\x80\xff";
  const auto any_byte = [&] { return static_cast<std::uint8_t>(telling[random.below(sizeof telling)]); };
  const std::size_t at = random.below(bytes.size() + 1);
  const auto position = bytes.begin() + static_cast<std::ptrdiff_t>(at);
  const std::size_t length = std::min(bytes.size() - at, 1 + random.below(16));
  const auto behind = position + static_cast<std::ptrdiff_t>(length);
  const std::vector<std::uint8_t> part(position, behind);
  switch (random.below(5)) {
  case 0: bytes.insert(position, any_byte()); break;
  case 1: bytes.erase(position, behind); break;
  case 2: bytes.insert(position, part.begin(), part.end()); break;
  case 3:
    bytes.erase(position, behind);
    bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(random.below(bytes.size() + 1)), part.begin(), part.end());
    break;
  default:
    if (at < bytes.size()) bytes[at] = any_byte();
  }
}

void try_changes(const std::vector<std::uint8_t>& original) {
  dice random;
  for (unsigned i = 0; i < changes_per_file; ++i) {
    std::vector<std::uint8_t> bytes = original;
    for (std::size_t left = 1 + random.below(4); left > 0; --left) change(bytes, random);
    try_input(bytes, bytes.size());
  }
}

} // namespace

int main(int argc, char** argv) {
  std::size_t tried = 0;
  for (int i = 1; i < argc; ++i) {
    for (const auto& file : files_of(argv[i])) {
      std::printf("%s\n", file.filename().c_str());
      std::fflush(stdout); // names the input when the next line is a crash
      const auto bytes = bytes_of(file);
      for (std::size_t cut = 0; cut < std::min(bytes.size(), prefixes_max); ++cut) try_input(bytes, cut);
      try_input(bytes, bytes.size());
      try_changes(bytes);
      ++tried;
    }
  }
  std::printf("%zu inputs\n", tried);
  return tried == 0 ? 2 : 0;
}
