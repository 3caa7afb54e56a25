// The disk tier: shelves in several directories behind one interface, with threads of their own.
#pragma once

#include <condition_variable>
#include <map>
#include <thread>

#include "net/offload.h"
#include "storage/disk/control_log.h"
#include "storage/disk/shelf.h"
#include "storage/disk/tenant_table.h"
#include "storage/memory_tier.h"

namespace forebay::storage::disk {

/// The directory with the highest weight has the key.
std::uint64_t rendezvous_weight(const key128& shelf, const key128& key) noexcept;

struct segment_store_settings {
  shelf_settings shelf;                          ///< of each directory, but for the size
  unsigned readers = 8;                          ///< threads that read, per directory
  std::size_t reads_limit = 1024;                ///< reads that wait, per directory; further ones are refused
  std::chrono::milliseconds flush_interval{200}; ///< what was put is in the file this much later
  bool by_hand = false;                          ///< no threads: `step` does the work (for tests)
};

/// Owner of the shelves, a writer's thread and a pool of readers for each, and the purges. Objects and versions are
/// spread by rendezvous hashing over the directories' identities: one that is lost takes its share and no more.
class segment_store final : public lower_tier {
public:
  struct directory {
    std::unique_ptr<volume> in;
    std::uint64_t size_bytes = 0;
    std::uint64_t segment_bytes = 0; ///< of one that is made now; 0: as the settings say
  };
  /// A directory that cannot be used is left out with a line in the log; `refused` counts them. Fails only when there
  /// is none to use.
  static result<std::unique_ptr<segment_store>> open(std::vector<directory> directories,
                                                     segment_store_settings settings, memory_tier& memory);
  ~segment_store() override; ///< writes what waits
  /// Ends reads and purges in progress and takes no more. To be called when the loops that wait for them have stopped,
  /// and before these are gone.
  void end_reads();

  std::optional<byte_range> find(const version_key& version, byte_range within) override;
  net::task<result<byte_range>> read(version_key version, byte_range wanted, net::deadline until) override;
  void write(const version_key& version, std::uint64_t offset, std::vector<net::slice> bytes,
             tenant_id tenant) override;
  void erase(const version_key& version) override;
  void put_record(const object_key& object, const version_key& version, std::string encoded, bool kept) override;
  void set_keep_check(keep_check check) override;
  bool may_have_record(const object_key& object) const override;
  net::task<result<std::optional<stored_record>>> find_record(object_key object, net::deadline until) override;
  net::task<result<void>> put_tombstone(object_key object, net::deadline until) override;
  net::task<result<void>> put_rule(std::string text, net::deadline until) override;
  std::vector<purge_rule> rules() const override;
  std::uint64_t stamp() override { return sequence_.fetch_add(1, std::memory_order_relaxed); }

  /// Who takes the extents that the directories let go; null: nobody. It outlives the store.
  void set_sink(eviction_sink* sink);
  /// Whether `erase` was called with this key, in this run or an earlier one.
  bool erased(const version_key& version) const;

  /// The number of the namespace of this name, the same in every run. Waits for the disk when the name is new: not for
  /// loops.
  tenant_id tenant_of(std::string_view name);
  /// Bytes that a namespace may have on all directories together; 0, or not named: no quota.
  void set_quotas(const std::map<tenant_id, std::uint64_t>& bytes);
  std::uint64_t tenant_bytes(tenant_id tenant) const noexcept;
  std::uint64_t tenant_quota(tenant_id tenant) const noexcept;
  std::vector<std::pair<tenant_id, std::string>> tenants() const { return tenants_.all(); }

  /// What the threads do, where there are none: a read, a batch of writes, a footer of one directory; a purge of all;
  /// what the writer does at a tick of its clock (`flush_interval`). False when there was nothing to do.
  enum class worker : std::uint8_t { reader, writer, closer, purger, ticker };
  bool step(worker what, std::size_t shelf);

  std::size_t shelf_count() const noexcept { return shelves_.size(); }
  const shelf& shelf_at(std::size_t index) const noexcept { return *shelves_[index]->of; }
  const std::string& name_at(std::size_t index) const noexcept { return shelves_[index]->of->in().name(); }
  unsigned refused() const noexcept { return refused_; }

private:
  /// A shelf and those who work on it.
  struct worked_shelf {
    worked_shelf(std::unique_ptr<shelf> made, const segment_store_settings& settings);
    ~worked_shelf() { stop(); }
    void stop(); ///< writes what waits; the writer may look into other shelves for it
    void write_on();
    bool write_what_is_due();
    void close_on();

    std::unique_ptr<shelf> of;
    const clock* time;
    const std::chrono::milliseconds interval;
    std::unique_ptr<net::worker_pool> readers;
    std::mutex mutex;
    std::condition_variable wake;         ///< the writer: a full batch, or the end
    std::condition_variable segment_full; ///< the closer: a full segment, or the end
    bool ends = false, closes = true, any_full = true;
    std::thread writer, closer;
  };
  /// One read of a place on disk that several readers want: the others wait for the first.
  struct shared_read {
    std::vector<net::event> waiting;
    result<byte_range> outcome;
  };
  using read_key = std::pair<version_key, std::uint64_t>;
  struct opening;

  void open_shelves(opening& all);
  void add_shelf(std::unique_ptr<shelf> made);
  void keep_logs(opening& all);
  void forget_lost(const object_key& object);
  void log_lost();
  void tell_members();
  void remember_members();
  explicit segment_store(segment_store_settings settings, memory_tier& memory);
  worked_shelf* shelf_for(const key128& key) const noexcept;
  result<byte_range> read_now(shelf& from, const version_key& version, byte_range wanted);
  result<void> into_memory(const shelf::run& run, const version_key& version);
  void end_read(const read_key& key, const std::shared_ptr<shared_read>& mine, result<byte_range> outcome);
  net::task<result<void>> log_purge(control_entry entry, net::deadline until);
  result<void> append_everywhere(const control_entry& entry);

  segment_store_settings settings_;
  memory_tier& memory_;
  sequence_source sequence_{1};
  unsigned refused_ = 0;
  kept_versions kept_;
  std::vector<std::unique_ptr<worked_shelf>> shelves_;

  tenant_table tenants_;
  mutable std::mutex rules_mutex_;
  std::vector<purge_rule> rules_;
  std::mutex reads_mutex_;
  std::map<read_key, std::shared_ptr<shared_read>> reads_;
  /// Of records that were lost: what no log could be told yet. The control thread's.
  std::vector<control_entry> unlogged_;
  std::unique_ptr<net::worker_pool> control_; ///< one thread: purges are written in order
};

} // namespace forebay::storage::disk
