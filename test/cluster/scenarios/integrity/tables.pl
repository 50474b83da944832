#!/usr/bin/perl
# Writes to the console, which outlives a crash, which exclusive LVs of the VG have a device-mapper device: whenever that changes, and
# once a second. The kernel's own list is read, 20 times a second: no process is started, so a busy machine leaves no gaps of seconds.
# A state stands with the first and the last time at which it was seen, so what is written was true at least from one to the other.
use strict;
use warnings;

my $pause_s     = 0.05;
my $heartbeat_s = 1;
my $clock_call  = 228;    # clock_gettime; perl-base has no Time::HiRes

open(my $console, '>', '/dev/console') or die "console: $!";

sub now_s {
    my $time = pack('q2', 0, 0);
    syscall($clock_call, 0, $time);
    my ($s, $ns) = unpack('q2', $time);
    return $s + $ns / 1e9;
}

sub active {
    opendir(my $blocks, '/sys/block') or return '';
    my @names;
    for my $device (grep { /^dm-/ } readdir $blocks) {
        # It may go between the list and its name.
        open(my $file, '<', "/sys/block/$device/dm/name") or next;
        my $name = <$file> // '';
        push @names, $1 if $name =~ /^vgi-(ex\d+)$/;
    }
    return join(' ', sort @names);
}

sub tell_state {
    my ($time_s, $state) = @_;
    syswrite($console, sprintf("TABLES %.3f %s\n", $time_s, $state));
}

my $state  = active();
my $seen_s = now_s();
my $told_s = $seen_s;
tell_state($seen_s, $state);
for (;;) {
    select(undef, undef, undef, $pause_s);
    my ($next, $next_s) = (active(), now_s());
    if ($next ne $state) {
        tell_state($seen_s, $state) if $seen_s > $told_s;
        tell_state($next_s, $next);
        $told_s = $next_s;
    }
    elsif ($next_s - $told_s >= $heartbeat_s) {
        tell_state($next_s, $next);
        $told_s = $next_s;
    }
    ($state, $seen_s) = ($next, $next_s);
}
