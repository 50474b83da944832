/** Every bound of the daemon, with its reason. No queue, buffer, retry or list is without one. */
export const LIMITS = {
  /** One request of the wire, as lvm2 2.03.40 bounds it; ordinary requests take 150 bytes. */
  request_size_bytes: 16 * 1024 * 1024,
  /**
   * Bytes that the daemon keeps for all clients together: unfinished requests, requests sent ahead, replies not read yet. Above
   * it the client with most of them is closed, so that many half-sent giants cannot eat the host.
   */
  unfinished_requests_size_bytes: 64 * 1024 * 1024,
  /** Requests that one client has sent ahead; above it we stop reading from it until they are answered. */
  requests_ahead_size_bytes: 1024 * 1024,
  /** Requests of one client in one turn of the event loop; then the others have theirs. */
  requests_per_turn: 16,
  /** Bytes that are cut into requests at once, some 25 requests of lvm: the rest of a flood waits as it came. */
  requests_cut_size_bytes: 4096,
  /** What a chunk that waits is charged on top of its bytes: the buffer's own objects. */
  chunk_overhead_size_bytes: 256,
  /** Connected clients. lvm commands on a busy host are hundreds; above this a client is told so and closed. */
  clients: 8192,
  /** VG lockspaces on one host: sanlock itself ends far below. */
  lockspaces: 4096,
  /** Requests that wait in one resource's queue: one for each client is the natural bound, this is twice it. */
  resource_queue: 16384,
  /** LV resources of one VG; LVM itself becomes unusable long before. */
  resources_per_lockspace: 1_000_000,
  /** max_retries of a request is cut here: one hour at the C daemon's second per retry. */
  max_retries: 3600,
  /** Characters of names and args that the wire carries: LVM's own NAME_LEN is 128, uuids have 38, args 64. */
  vg_name_length: 127,
  lv_name_length: 127,
  uuid_length: 64,
  lock_args_length: 64,
  path_length: 4096,
  command_name_length: 64,
  /** Attempts to release, at a manager that refuses it, a lock whose client has gone; afterwards only a person can help. */
  unlock_attempts: 20,
  /** Refused locks of one VG whose owners are remembered for `who`: those of the LVs that a host tries to activate at its start. */
  lock_refusals: 256,
  /** Failed joins, kills and lost locks kept for `lvmlockctl --info`. */
  incidents: 100,
  /** Orphan locks asked for at the same time while adopting, so that other requests get in between. */
  adoptions_in_flight: 64,
  /** Settings and array elements of a message: lvm sends 14, and for idm a path for each PV; decoding stays under a few ms. */
  request_settings: 4096,
  /** Characters of an opts string: all the words that exist together take about 100. */
  opts_length: 256,
  /** Different opts strings whose meaning is remembered; lvm sends about ten. */
  known_opts: 256,
  /** Slots (a power of two) of the table of repeating names, and the longest text that is kept there: 0.5 MiB at most. */
  interned_strings: 4096,
  interned_string_length: 128,
  /** Ready-made replies (a power of two of slots); they differ in op, lock type, results and generation. */
  ready_replies: 512,
  /** Frame buffer that an idle connection keeps: C sends body and terminator apart, so most requests need it again. */
  idle_frame_buffer_size_bytes: 1024,
  /** Entries of the log ring that `lvmlockctl --dump` shows. */
  log_ring_entries: 16384,
  /** Fence results kept for info and `who`. */
  fence_history: 256,
  /** A program that asks for info is looked into for its format; lvmlockctl has 40 KiB. */
  examined_program_size_bytes: 2 * 1024 * 1024,
  /** Bytes of the info and dump texts sent over the datagram socket; lvmlockctl 2.03.40 takes 4 MiB, 2.03.16 1 MiB. */
  dump_datagram_size_bytes: 65536,
  /** Dead records in the journal before it is rewritten, beside as many as are live: rewriting a small file is not worth it. */
  journal_garbage_records: 4096,
  /** One read or write of the journal; a VG's record takes some 200 bytes. */
  journal_read_size_bytes: 1024 * 1024,
  /** One line of the journal: names and args at their longest, escaped, take less. A longer one is damage. */
  journal_line_size_bytes: 8192,
  /** Open files that clients may not use up: lock managers, journal, workers. A quarter of a limit that is very small. */
  reserved_files: 256,
  /**
   * Workers for the lockspaces of one blocking lock manager. One idle worker takes 2.4 MB and a VG has its own while there
   * are enough; sanlock's hosts have tens of VGs. Above this, VGs share the workers that are not stuck.
   */
  plugin_workers: 80,
  /** Workers for calls that belong to no started lockspace (init_vg and the like): as many of them run at the same time. */
  plugin_manager_workers: 8,
  /** Calls that wait for a plugin in one queue: adoption asks for every LV lock of a VG, and each client for one more. */
  plugin_calls_queued: 1_010_000,
  /** Characters of a text that a plugin sends (news, details), so that it can't fill the log ring with one entry. */
  plugin_text_length: 2048,
  /** A reply that lvmlockctl reads: info_json of a million LV locks, with room. */
  ctl_reply_size_bytes: 512 * 1024 * 1024,
  /** The info text that lvmlockctl takes over the datagram socket from a daemon that is not ours; C sends 4 MiB. */
  ctl_dump_size_bytes: 256 * 1024 * 1024,
  /** Words of lvmlockctl_kill_command with the VG name, and characters of each, as C's lvmlockctl bounds them. */
  kill_command_words: 32,
  kill_command_word_length: 1023,
  /** Room for info and dump texts in lvmlockctl of 2.03.40, and in the one of 2.03.16, which checks nothing. */
  dump_text_size_bytes: 4 * 1024 * 1024,
  old_dump_text_size_bytes: 1024 * 1024,
  /** Client lines in the info text: lvmlockctl of the C suite has an array of 100 and does not check either. */
  info_clients: 100,
  /** Log lines that standard error or output has not taken yet. */
  unwritten_log_size_bytes: 1024 * 1024,
  /** Sockets of clients that were turned away and have not noticed yet; they live on the reserved files. */
  lingering_sockets: 8,
  /** Unit attentions that one command takes in a row: a target queues one for each event, and a nexus sees few at a time. */
  pr_unit_attentions: 16,
  /** Tries of a PERSISTENT RESERVE command that the device or the transport was too busy for. */
  pr_busy_tries: 20,
  /** Room for the first answer of READ KEYS and READ FULL STATUS: 500 keys; a longer list is read again. */
  pr_answer_size_bytes: 4096,
  /** Tries to read a list that grows while it is read. */
  pr_longer_tries: 4,
  /** Paths of one multipath map; storage with more does not exist, and each costs an open file. */
  pr_paths: 128,
  /** A reply of multipathd: we ask for single keys. */
  multipathd_reply_size_bytes: 4096,
  /** Devices of one VG that are reserved together; each is an open file and, in a start, a few commands. */
  pr_devices: 1024,
  /** Times that a start reads the VG's PVs again because some were added while it reserved the others. */
  pr_list_tries: 3,
  /** lvm's report of a VG's PVs: some 200 bytes for each. */
  lvm_report_size_bytes: 4 * 1024 * 1024,
  /** Devices of one lvmpersist run: a VG of hundreds of PVs is large. Each costs an open file, a multipath map one for each path. */
  persist_devices: 1024,
  /** Keys that each path of a multipath map is asked for, one command each; hosts that share a map are few. */
  persist_path_keys: 64,
  /** lvmpersist's report that the daemon reads: as many devices as it takes with the keys of a hundred hosts each. */
  lvmpersist_report_size_bytes: 16 * 1024 * 1024,
  /** Workers of one run for its devices, and how many are started at first; the rest come when devices do not answer at once. */
  persist_workers: 64,
  persist_workers_at_first: 8,
} as const;
