#!/usr/bin/perl
# Runs the scripts that the host sends through a virtio-serial port, each in a process of its own, any number at the same time.
# The protocol is in lab/agent.ts. Perl, because it is in every Debian and starts a script in a tenth of the time bash needs here.
use strict;
use warnings;
use POSIX qw(setsid :sys_wait_h);
use Fcntl qw(:flock O_RDWR O_CREAT);

# A process that does not end by SIGTERM gets SIGKILL after this; one that waits in the kernel is left there after as much again.
my $grace_ms   = 2000;
my $clock_call = 228;    # clock_gettime; perl-base has no Time::HiRes

sub now_us {
    my $time = pack('q2', 0, 0);
    syscall($clock_call, 1, $time);
    my ($s, $ns) = unpack('q2', $time);
    return $s * 1_000_000 + int($ns / 1000);
}

sub slurp {
    my ($path) = @_;
    open(my $file, '<:raw', $path) or return '';
    local $/;
    return scalar(<$file>) // '';
}

sub send_all {
    my ($port, $bytes) = @_;
    my $at = 0;
    while ($at < length $bytes) {
        my $n = syswrite($port, $bytes, length($bytes) - $at, $at);
        if   (defined $n) { $at += $n; }
        else              { select(undef, undef, undef, 0.05); }
    }
}

my $setitimer_call = 38;    # setitimer; perl's own alarm counts whole seconds

sub alarm_ms {
    my ($ms) = @_;
    my $timer = pack('q4', 0, 0, int($ms / 1000), ($ms % 1000) * 1000);
    syscall($setitimer_call, 0, $timer, 0);
}

# Whether the shell ended within this time. It sleeps until then: each look at a clock would cost an emulated processor a millisecond.
sub ended_within {
    my ($pid, $ms) = @_;
    my $ended = eval {
        local $SIG{ALRM} = sub { die "late\n" };
        alarm_ms($ms > 0 ? $ms : 1);
        my $done = waitpid($pid, 0);
        # In here, because out there the signal would end this process, and nobody would answer.
        alarm_ms(0);
        $done == $pid;
    };
    return $ended;
}

# The shell's status; 124 when it had to be ended.
sub await_shell {
    my ($pid, $timeout_ms) = @_;
    if (ended_within($pid, $timeout_ms)) {
        return WIFEXITED($?) ? WEXITSTATUS($?) : 128 + WTERMSIG($?);
    }
    for my $signal ('TERM', 'KILL') {
        kill $signal, -$pid;
        last if ended_within($pid, $grace_ms);
    }
    return 124;
}

sub serve {
    my ($port, $id, $timeout_ms, $script) = @_;
    my $dir = "/run/agent/$id";
    mkdir $dir;
    open(my $file, '>:raw', "$dir/script");
    print $file $script;
    close $file;
    my $start_us = now_us();
    my $pid      = fork();
    if ($pid == 0) {
        setsid();
        close $port;
        open(STDIN,  '<', '/dev/null');
        open(STDOUT, '>', "$dir/stdout");
        open(STDERR, '>', "$dir/stderr");
        exec '/bin/bash', "$dir/script";
        POSIX::_exit(127);
    }
    my $status     = await_shell($pid, $timeout_ms);
    my $elapsed_us = now_us() - $start_us;
    my ($stdout, $stderr) = (slurp("$dir/stdout"), slurp("$dir/stderr"));
    sysopen(my $turn, '/run/agent/turn', O_RDWR | O_CREAT);
    flock($turn, LOCK_EX);
    send_all($port,
        join(' ', $id, $status, $elapsed_us, length($stdout), length($stderr)) . "\n$stdout$stderr");
    unlink "$dir/script", "$dir/stdout", "$dir/stderr";
    rmdir $dir;
    POSIX::_exit(0);
}

my $path = $ARGV[0];
mkdir '/run/agent';
sysopen(my $port, $path, O_RDWR) or die "$path: $!";
$SIG{CHLD} = 'IGNORE';
my $buffer = '';
for (;;) {
    my $n = sysread($port, $buffer, 65536, length $buffer);
    # Nobody is connected on the other side.
    if (!$n) { select(undef, undef, undef, 0.05); next; }
    while ($buffer =~ /\A(\S+) (\d+) (\d+)\n/ && length($buffer) >= $+[0] + $3) {
        my ($id, $timeout_ms, $script) = ($1, $2, substr($buffer, $+[0], $3));
        substr($buffer, 0, $+[0] + $3) = '';
        my $pid = fork();
        next if $pid;
        # The default again, or waitpid could not tell how the shell ended.
        $SIG{CHLD} = 'DEFAULT';
        serve($port, $id, $timeout_ms, $script);
    }
}
