#!/usr/bin/perl
# Writes to the console, which outlives a crash, which LVs of the VG have a device-mapper device: whenever that changes, and once a
# second. The kernel's own list is read, 10 times a second: no process is started, so a busy machine leaves no gaps of seconds.
# Each state stands with the times before and after it was read, and with its first and last reading, so what is written was true at
# least from the end of the one to the beginning of the other, however long this process had to wait meanwhile.
use strict;
use warnings;

my $pause_s     = 0.1;
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
        push @names, $1 if $name =~ /^vg0-(lv\d+)$/;
    }
    return join(' ', sort @names);
}

sub reading {
    my $before_s = now_s();
    my $state    = active();
    return { state => $state, before_s => $before_s, after_s => now_s() };
}

sub tell_console {
    my ($reading) = @_;
    syswrite($console, sprintf("TABLES %.3f %.3f %s\n", @$reading{qw(before_s after_s state)}));
    return $reading;
}

my $seen = reading();
my $told = tell_console($seen);
for (;;) {
    select(undef, undef, undef, $pause_s);
    my $next = reading();
    if ($next->{state} ne $seen->{state}) {
        tell_console($seen) if $seen != $told;
        $told = tell_console($next);
    }
    elsif ($next->{after_s} - $told->{after_s} >= $heartbeat_s) {
        $told = tell_console($next);
    }
    $seen = $next;
}
