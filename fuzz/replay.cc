// Tries the files of a folder on a fuzzer's entry: whole, and cut at every byte of their beginning. Without libFuzzer, so
// that it is an ordinary test in every build. Exit code 2 when there is nothing to try.
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
      ++tried;
    }
  }
  std::printf("%zu inputs\n", tried);
  return tried == 0 ? 2 : 0;
}
