/** Every wait of the daemon, with its reason. A wait for another client of this host is the one that has none by default. */
export const DEADLINES = {
  /** C sleeps one second per retry; its total, (max_retries + 1) seconds, bounds ours as well. */
  retry_total_per_retry_ms: 1000,
  /** First retry of a lock that another host holds: about one metadata read later the lock is often free. */
  retry_first_ms: 4,
  /** Longest pause between two retries, so that a freed lock is noticed soon without loading the lease storage. */
  retry_max_ms: 250,
  /**
   * How long a GL or VG lock may wait in a lock manager's own queue before it is asked for again: there it is had in the moment in which
   * another host releases it, and in turn. Other calls on the lockspace wait behind it, so it is not for long at a time.
   */
  manager_queue_ms: 500,
  /** A lock, convert or unlock call. sanlock's own worst case is 6 I/O timeouts of 10 s; longer means that it hangs. */
  manager_lock_ms: 90_000,
  /**
   * A lock manager with longer timeouts than usual tells how long its calls may take (CallTimes), but no call is waited for longer than
   * this. sanlock's slowest join, over a lease left behind with its longest I/O timeout of 255 s, takes 75 minutes.
   */
  manager_longest_ms: 7_200_000,
  /** Pause before a refused release is tried again; a manager that is restarted is back after some seconds. */
  unlock_again_ms: 500,
  /** prepare and isRunning are quick by contract; reading one lease from slow storage bounds them. */
  manager_prepare_ms: 30_000,
  /** A join after an unclean stop takes up to 200 s with sanlock's defaults, 5 minutes with slow settings. */
  manager_join_ms: 600_000,
  /** Leaving waits for sanlock to end its renewals, two I/O timeouts of 10 s with room. */
  manager_leave_ms: 120_000,
  /** init_vg writes 2000 host leases and the resource leases of a VG. */
  manager_init_ms: 300_000,
  /** Questions about hosts, status, free leases. */
  manager_query_ms: 60_000,
  /** The other hosts run `lvchange --refresh`. */
  manager_refresh_ms: 60_000,
  /** How often the daemon looks for manager calls that outlived their deadline. */
  late_call_check_ms: 1000,
  /** Between two tries to rewrite a journal that can't be appended to: a full file system stays full for a while. */
  journal_rescue_ms: 1000,
  /** Importing a plugin's module; it is light by rule, and the daemon can't start before its capabilities are known. */
  plugin_load_ms: 10_000,
  /** A plugin that could not be opened (its library is missing) is tried again after this, at the next request for it. */
  plugin_reopen_ms: 1000,
  /** A plugin's call that runs longer counts as stalled: its worker gets no other lockspace. Most calls take milliseconds. */
  plugin_stalled_ms: 2000,
  /** How long the end of the daemon waits for plugins to close; a stuck call must not keep it from ending. */
  plugin_close_ms: 3000,
  /** lvmlockctl's hello: the C daemon answers late when another client blocks it, ours at once. */
  ctl_hello_ms: 10_000,
  /** lvmlockctl's ordinary requests, and enabling the global lock, which may take one slow lock call. */
  ctl_reply_ms: 100_000,
  /** kill_vg before the kill command: the watchdog's clock is running, and the command matters more than the notice. */
  ctl_kill_notice_ms: 2000,
  /** How long a daemon has for info_json before a hello behind it asks whether it ignores that request, as C does. */
  ctl_probe_ms: 200,
  /** How long lvmlockctl waits for datagrams that the daemon has announced; the C daemon gives up after half a second. */
  ctl_datagram_ms: 5000,
  /** How long lvmlockctl waits for the one datagram address when another lvmlockctl has it. */
  ctl_datagram_address_ms: 3000,
  /** How often clients that we read nothing from are asked whether they are still there. */
  hangup_check_ms: 100,
  /** One slice of making an info text; requests that came in meanwhile wait so long and no longer. */
  text_slice_ms: 0.2,
  /** Pause between two slices while clients are served: they keep nine tenths of the time. */
  text_pause_ms: 2,
  /** How long after a request clients count as being served. */
  text_busy_ms: 10,
  /** Between two tries to send to a lvmlockctl whose socket is full. */
  datagram_retry_ms: 1,
  /** A lvmlockctl that takes nothing for so long is given up, as the C daemon does after half a second in total. */
  datagram_patience_ms: 2000,
  /** How often the service manager's status line is brought up to date. */
  status_interval_ms: 5000,
  /** A second Ctrl-C within this time ends a daemon that stays because locks are held. */
  second_interrupt_ms: 3000,
  /** A client that was turned away has so long to send its first bytes, before which it may not know that it was. */
  turned_away_linger_ms: 500,
  /**
   * lvm activates the lock LV just before it asks about the VG, and udev makes its device a moment later; the C daemon sleeps a second
   * for it. On a host under load (average 11) one second was too short; a device that never comes is rare.
   */
  sanlock_device_ms: 10_000,
  /** How often the device is looked for meanwhile. */
  sanlock_device_look_ms: 10,
  /** For so long after another host had a GL or VG lock it is not asked for again at once; losers of ballots slept up to 3 s. */
  sanlock_contended_ms: 10_000,
  /** How long such a lock rests after its release, on average: the other host's retries come every few milliseconds at first. */
  sanlock_turn_pause_ms: 12,
  /** Within this time of a renewal sanlock has looked through the other hosts' leases: its main loop takes a second, and some more. */
  sanlock_check_ms: 1500,
  /**
   * After so long the daemon says that it is ready although VGs are still being adopted: a service manager ends what does not get ready
   * (systemd after 90 s), clients are answered all the time, and a VG that is not adopted yet counts as starting.
   */
  adoption_ready_ms: 30_000,
  /**
   * After so long people are told which command keeps a VG from being adopted. The adoption itself waits as long as that command has lvm's
   * file lock of the VG: until then no other command of this host can use the VG either, and its locks are the command's.
   */
  command_told_ms: 30_000,
  /** How often it is looked whether the command has ended. */
  command_end_look_ms: 100,
  /**
   * How long sanlock may go on with the last calls of an lvmlockd that died, at least: losers of ballots slept 3 s. A lock call may take
   * 6 I/O timeouts, and is waited for as long when that is more.
   */
  sanlock_earlier_calls_ms: 20_000,
  /** How often it is asked meanwhile. */
  sanlock_earlier_calls_look_ms: 20,
  /** How often sanlock is asked whether it has joined a lockspace for an lvmlockd that died during the start. */
  sanlock_addition_look_ms: 200,
  /** How long a lockspace may take that sanlock is removing by itself; it writes the host's lease once more, with I/O timeouts. */
  sanlock_removal_ms: 20_000,
  /** How often it is asked meanwhile. */
  sanlock_removal_look_ms: 100,
  /** How often the other hosts' leases are looked at after a join, until all of them have been renewed: 1 MiB each time. */
  sanlock_renewal_look_ms: 100,
  /**
   * How long vgcreate waits at the most for a sign of life of hosts whose leases stand where the new VG's are to be. Three I/O timeouts
   * are enough, and are within it up to 60 s; with one of more than 90 s a host that is alive can be missed. The rest of manager_init_ms
   * is for the writing.
   */
  sanlock_lease_users_ms: 180_000,
  /**
   * How long refusals of a shared LV lock are taken for two hosts taking it at once. Whoever loses sanlock's ballot sleeps for up
   * to a second inside sanlock, and the lease looks owned meanwhile (seen: 0.99 s); what lasts longer is an exclusive holder.
   */
  sanlock_shared_race_ms: 1500,
  /**
   * How long a request waits for a lockspace that is being recovered before it is refused: a node that joins or leaves takes a
   * second or two, one that fails takes longer than any command should wait (corosync's token, then fencing).
   */
  dlm_recovery_ms: 15_000,
  /** How often it is looked whether the recovery is through. */
  dlm_recovery_look_ms: 20,
  /** How long the result of one request may take. It is there within milliseconds, but for a node that is just failing. */
  dlm_lock_ms: 60_000,
  /** How often the state of the lockspace is looked at while a result is waited for. */
  dlm_result_look_ms: 250,
  /**
   * How long dlm_controld or corosync may take to answer one question. They answer within milliseconds; on an emulated
   * host with a tenth of a CPU corosync was seen to take more than 5 s. What lasts longer counts as hanging until the answer comes.
   */
  dlm_controld_ms: 10_000,
  /** How long a start or stop waits for a cluster without quorum, or one whose dlm_controld does not answer any more. */
  dlm_blocked_ms: 10_000,
  /** How long a start waits in all: fencing a failed node takes up to minutes, and the start goes on after it. */
  dlm_join_ms: 300_000,
  /** How long a stop waits for the other nodes, inside `manager_leave_ms`. */
  dlm_leave_ms: 60_000,
  /** How often it is looked what a start or stop waits for. */
  dlm_join_look_ms: 250,
  /** How often a started lockspace is looked at, to finish what was given up and to tell what is wrong. */
  dlm_watch_ms: 1000,
  /** How long the other nodes may take to refresh an LV, inside `manager_refresh_ms`. */
  dlm_refresh_ms: 55_000,
  /** How often dlm_controld is asked whether they have. */
  dlm_refresh_look_ms: 50,
  /**
   * lvmpersist on all PVs of a VG, for one step of a fence or a start: a device that does not answer takes up to two SCSI timeouts
   * of 30 s, beside the others. A little less than the next one, so that the program is ended before the core gives it up.
   */
  lvmpersist_ms: 75_000,
  /** A fence or a start at the reservations: some runs of lvmpersist, about a second each, and none after one that hit its own deadline. */
  reservation_call_ms: 100_000,
  /**
   * How long a failed host's commands get to end after its key was seen to be gone, when no PREEMPT AND ABORT of ours has said that they
   * have: as long as another host's may take (pr_abort_ms), after which its kernel aborts it and with it whatever it waited for.
   */
  fence_settle_ms: 60_000,
  /** How often the locks are asked for meanwhile: a survivor that was faster has declared the host dead within seconds. */
  fence_look_ms: 1000,
  /** After the failed removal of a failed host's key nobody tries again for this long, then for twice as long and so on, */
  fence_again_first_ms: 5000,
  /** up to this: a VG whose storage can't be written needs a person, who then does not want to wait for long. */
  fence_again_max_ms: 300_000,
  /** Between two log entries that say that no more clients fit. */
  full_report_ms: 60_000,
  /** A PERSISTENT RESERVE IN, or a NVMe report: reading a state that the device has in memory. */
  pr_read_ms: 10_000,
  /** A PERSISTENT RESERVE OUT: with APTPL the target writes it to stable storage first. */
  pr_write_ms: 30_000,
  /** PREEMPT AND ABORT waits until the target has ended every command of the other host. */
  pr_abort_ms: 60_000,
  /** Pause before a command that the device was too busy for is sent again; with pr_busy_tries 2 seconds in total. */
  pr_busy_again_ms: 100,
  /** How long the thread sleeps for disks' answers before it looks after its own event loop: signals, progress, workers. */
  pr_poll_slice_ms: 20,
  /** multipathd answers at once, except while it looks at its paths. */
  multipathd_ms: 10_000,
  /** lvm tells a VG's PVs from inside a start_vg that another lvm command waits for; 0.5 s on a slow machine, more with many disks. */
  pr_lvm_report_ms: 20_000,
  /** How long a list of devices in lvmlockd.conf is not compared with lvm's again, after lvm could not tell: it may take pr_lvm_report_ms. */
  pr_compare_again_ms: 60_000,
  /** How often the reservations of a started VG are looked at: what a taken-over host notices within seconds. */
  pr_watch_ms: 2000,
  /** How often a multipath PV's paths are looked at for one that came back without its registration: writes through it fail till then. */
  pr_paths_ms: 10_000,
  /** How often lvm is asked where a PV is whose name leads nowhere or to another disk: it reads all disks, some of which may hang. */
  pr_seek_ms: 10_000,
  /**
   * A lock is granted without another look at the reservations when the last one is no older: commands lock several times in a row. After
   * a take-over such a grant lets nobody write, because the device refuses it.
   */
  pr_fresh_ms: 500,
  /** How long devices of a run wait for a free worker before there are twice as many: fast devices answer in a few ms each. */
  persist_worker_growth_ms: 20,
  /** A run that is over so soon shows no progress: a line that only flickers is no help. */
  persist_progress_after_ms: 500,
} as const;
