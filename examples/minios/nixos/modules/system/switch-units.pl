# The part of switch-to-configuration that deals with systemd:
#
#   perl switch-units.pl SYSTEM test|switch|dry-activate
#
# The rules, the words and the exit statuses are those of NixOS: which units of the
# running system differ in the new one, what is stopped, restarted, reloaded or left
# alone, and in which order. A unit that is not in /etc/systemd/system is the machine's
# own (/usr/lib/systemd/system) before and after.
use strict;
use warnings;
use Cwd qw(realpath);
use Fcntl qw(F_SETFD FD_CLOEXEC);
use File::Path qw(make_path);

my ($system, $action) = @ARGV;
my $dry = $action eq 'dry-activate';

# The lock of the caller is not for the programs that are started here.
if (open my $lock, '>>&=', 9) { fcntl $lock, F_SETFD, FD_CLOEXEC; our $held = $lock }
$SIG{PIPE} = 'IGNORE';

# ---- what is to be done: sets of unit names -----------------------------

my (%stop, %start, %restart, %reload, %skip, %hidden);

# What an interrupted run still had to do.
my %list = (start => \%start, restart => \%restart, reload => \%reload);
for my $verb (keys %list) {
  $list{$verb}{$_} = 1 for lines("/run/nixos/$verb-list");
}

sub lines {
  my ($path) = @_;
  open my $file, '<', $path or return;
  chomp(my @lines = <$file>);
  return grep { $_ ne '' } @lines;
}

sub remember {
  return if $dry;
  make_path('/run/nixos');
  for my $verb (keys %list) {
    open my $file, '>', "/run/nixos/$verb-list" or next;
    print $file "$_\n" for sort keys %{ $list{$verb} };
  }
}

sub names { return join ', ', sort { lc $a cmp lc $b } @_ }

sub say_units {
  my ($text, @units) = @_;
  print STDERR "$text ", names(@units), "\n" if @units;
}

sub shown { return grep { !$hidden{$_} } keys %{ $_[0] } }

# ---- unit files ---------------------------------------------------------

# The directories of a system's units, the first first. '' is the running system.
sub unit_dirs { return ("$_[0]/etc/systemd/system", '/usr/lib/systemd/system') }

sub unit_file {
  my ($prefix, $unit) = @_;
  for my $dir (unit_dirs($prefix)) { return "$dir/$unit" if -e "$dir/$unit" }
  return undef;
}

# foo@bar.service without a file of its own is foo@.service.
sub base_unit {
  my ($unit) = @_;
  return $unit unless $unit =~ /^(.*)\@[^.]*\.(.*)$/;
  return $unit if unit_file('', $unit) || unit_file($system, $unit);
  return "$1\@.$2";
}

# parse returns { section => { key => [values] } } of a unit with its drop-ins.
sub parse {
  my ($prefix, $unit, $base) = @_;
  my %data;
  my $file = unit_file($prefix, $base);
  read_ini(\%data, $file) if $file;
  my %drop;
  for my $name ($base eq $unit ? $unit : ($base, $unit)) {
    for my $dir (reverse unit_dirs($prefix)) { $drop{ (split m{/})[-1] } = $_ for glob_conf("$dir/$name.d") }
  }
  read_ini(\%data, $drop{$_}) for sort keys %drop;
  return \%data;
}

sub glob_conf {
  my ($dir) = @_;
  opendir my $handle, $dir or return;
  return map { "$dir/$_" } sort grep { /\.conf$/ } readdir $handle;
}

sub read_ini {
  my ($data, $path) = @_;
  open my $file, '<', $path or return;
  my $section = '';
  while (my $line = <$file>) {
    chomp $line;
    while ($line =~ s/\\$/ / && defined(my $more = <$file>)) { chomp $more; $line .= $more }
    next if $line =~ /^\s*([#;]|$)/;
    if ($line =~ /^\s*\[(.*)\]\s*$/) { $section = $1; next }
    next if $section eq 'Install' || $line !~ /^\s*([^=]+?)\s*=\s*(.*?)\s*$/;
    if ($2 eq '') { $data->{$section}{$1} = [] }
    else          { push @{ $data->{$section}{$1} }, $2 }
  }
}

sub flag {
  my ($data, $section, $key, $default) = @_;
  my $values = $data->{$section}{$key};
  return $default unless $values && @$values;
  return $values->[-1] =~ /^(1|yes|true|on)$/ ? 1 : 0;
}

# Keys of [Unit] whose change alone changes nothing that runs.
my %ignored = map { $_ => 1 } qw(X-Reload-Triggers Description Documentation OnFailure OnSuccess OnFailureJobMode IgnoreOnIsolate
  StopWhenUnneeded RefuseManualStart RefuseManualStop AllowIsolate CollectMode SourcePath);

# difference returns 'restart', 'reload' or '' (nothing of importance).
sub difference {
  my ($old, $new) = @_;
  my $found = '';
  my %sections = (%$old, %$new);
  for my $section (keys %sections) {
    my ($o, $n) = ($old->{$section}, $new->{$section});
    return 'restart' if $section ne 'Unit' && (!$o || !$n);
    my %keys = (%{ $o || {} }, %{ $n || {} });
    for my $key (keys %keys) {
      my ($was, $is) = ($o->{$key}, $n->{$key});
      next if $was && $is && join("\0", @$was) eq join("\0", @$is);
      if ($section eq 'Unit' && $key eq 'X-Reload-Triggers') { $found = 'reload' if $is; next }
      next if $section eq 'Unit' && $ignored{$key};
      if ($section eq 'Mount' && $key eq 'Options' && $was && $is) { $found = 'reload'; next }
      return 'restart';
    }
  }
  return $found;
}

# ---- what runs ----------------------------------------------------------

# active returns { unit => [state, substate] } of all units that are not inactive.
sub active {
  my %units;
  for (qx(systemctl list-units --full --plain --no-legend --no-pager)) {
    my ($unit, undef, $state, $sub) = split;
    $units{$unit} = [ $state, $sub ] if defined $sub && $state ne 'inactive';
  }
  return \%units;
}

sub property {
  my ($unit, $name) = @_;
  open my $out, '-|', 'systemctl', 'show', "--property=$name", '--value', '--', $unit or return '';
  chomp(my $value = <$out> // '');
  return $value;
}

my $before = active();

# modified decides what becomes of a unit that differs. $asked: the activation script wants it restarted; it is then
# restarted instead of stopped and started, for the stopping is over.
sub modified {
  my ($unit, $base, $new, $asked) = @_;
  return if $unit =~ /^(sysinit|basic|multi-user|graphical)\.target$/ || $unit =~ /\.slice$/;
  if ($unit =~ /\.mount$/) {
    $unit =~ /^(-|nix)\.mount$/ ? $reload{$unit} = 1 : $restart{$unit} = 1;
    return;
  }
  return if $unit =~ /\.socket$/ || $unit =~ /^systemd-nspawn\@/;
  my $stopping = $asked ? \%restart : \%stop;
  if (flag($new, 'Service', 'X-ReloadIfChanged', 0) && !$restart{$unit} && !$stopping->{$unit}) {
    $reload{$unit} = 1;
  } elsif (!flag($new, 'Service', 'X-RestartIfChanged', 1)
    || flag($new, 'Unit', 'RefuseManualStop', 0)
    || flag($new, 'Unit', 'X-OnlyManualStart', 0)) {
    $skip{$unit} = 1;
  } elsif (!flag($new, 'Service', 'X-StopIfChanged', 1) || $unit !~ /\.service$/) {
    $restart{$unit} = 1;
    delete $reload{$unit};
  } else {
    # With a socket that listens, the service is stopped with it and starts with the next connection.
    my $by_socket = 0;
    my @sockets = map { split } @{ $new->{Service}{Sockets} || [] };
    (my $own = $base) =~ s/\.[a-z]*$/.socket/;
    for my $socket (@sockets ? @sockets : $own) {
      next unless $before->{$socket};
      $stopping->{$socket} = 1;
      if (unit_file($system, $socket)) {
        ($asked ? \%restart : \%start)->{$socket} = 1;
        $by_socket = 1;
      }
    }
    $by_socket = 0 if flag($new, 'Service', 'X-NotSocketActivated', 0);
    ($asked ? \%restart : \%start)->{$unit} = 1 unless $by_socket;
    $stopping->{$unit} = 1;
    delete $reload{$unit};
  }
}

sub compare_units {
  for my $unit (sort keys %$before) {
    next unless $before->{$unit}[0] =~ /^(active|activating)$/;
    my $base = base_unit($unit);
    my $old = unit_file('', $base) or next;
    my $now = unit_file($system, $base);
    if (!$now || (realpath($now) // '') eq '/dev/null') {
      $stop{$unit} = 1 if flag(parse('', $unit, $base), 'Unit', 'X-StopOnRemoval', 1);
      next;
    }
    my $new = parse($system, $unit, $base);
    if ($unit =~ /\.target$/) {
      # Targets are started again, and with them what they want and does not run.
      unless ($unit =~ /^(suspend|hibernate|hybrid-sleep)\.target$/
        || flag($new, 'Unit', 'RefuseManualStart', 0)
        || flag($new, 'Unit', 'X-OnlyManualStart', 0)) {
        $start{$unit} = $hidden{$unit} = 1;
      }
      $stop{$unit} = 1 if flag($new, 'Unit', 'X-StopOnReconfiguration', 0);
      next;
    }
    my $difference = difference(parse('', $unit, $base), $new);
    modified($unit, $base, $new, 0) if $difference eq 'restart';
    $reload{$unit} = 1 if $difference eq 'reload' && !$restart{$unit};
  }
}

# fstab returns { mount point => [device, type, options] } and { swap device => 1 }.
sub fstab {
  my (%mounts, %swaps);
  for (lines($_[0])) {
    next if /#/;
    my ($device, $where, $type, $options) = split;
    next unless defined $type;
    if   ($type eq 'swap') { $swaps{$device}  = 1 }
    else                   { $mounts{$where} = [ $device, $type, $options // '' ] }
  }
  return (\%mounts, \%swaps);
}

sub compare_fstab {
  my ($old, $old_swaps) = fstab('/etc/fstab');
  my ($new, $new_swaps) = fstab("$system/etc/fstab");
  for my $where (sort keys %$old) {
    my ($was, $is) = ($old->{$where}, $new->{$where});
    next if $is && "@$was" eq "@$is";
    open my $out, '-|', 'systemd-escape', '--suffix=mount', '-p', $where or next;
    chomp(my $unit = <$out>);
    # A container does not mount devices: there is no such unit.
    next unless $before->{$unit};
    if (!$is) { $stop{$unit} = 1 }
    elsif ($was->[0] eq $is->[0] && $was->[1] eq $is->[1]) { $reload{$unit} = 1 }
    elsif ($where !~ m{^/(nix)?$}) { $restart{$unit} = 1 }
    elsif ($was->[2] ne $is->[2])  { $reload{$unit} = 1 }
    else                           { $skip{$unit} = 1 }
  }
  for my $device (grep { !$new_swaps->{$_} } sort keys %$old_swaps) {
    print STDERR $dry ? "would stop swap device: $device\n" : "stopping swap device: $device\n";
    system 'swapoff', $device unless $dry;
  }
}

# requests takes what the activation script wrote for us.
sub requests {
  my ($prefix) = @_;
  for my $unit (lines("/run/nixos/${prefix}activation-restart-list")) {
    my $base = base_unit($unit);
    if   ($before->{$unit}) { modified($unit, $base, parse($system, $unit, $base), 1) }
    else                    { $start{$unit} = 1 }
  }
  for my $unit (lines("/run/nixos/${prefix}activation-reload-list")) {
    $reload{$unit} = 1 if $before->{$unit} && !$restart{$unit} && !$stop{$unit};
  }
  unlink map { "/run/nixos/${prefix}activation-$_-list" } qw(restart reload);
}

# systemd's own configuration, where the system brings one.
sub new_configuration {
  my ($old, $new) = map { -e "$_/etc/systemd/system.conf" ? realpath("$_/etc/systemd/system.conf") : '' } '', $system;
  return $old ne $new && ($new ne '' || $old =~ m{^/nix/store/});
}

compare_units();
compare_fstab();
my $reexec = new_configuration();

if ($dry) {
  say_units('would stop the following units:', shown(\%stop));
  say_units('would NOT stop the following changed units:', keys %skip);
  print STDERR "would activate the configuration...\n";
  requests('dry-');
  print STDERR "would restart systemd\n" if $reexec;
  say_units('would reload the following units:', keys %reload);
  say_units('would restart the following units:', keys %restart);
  say_units('would start the following units:', shown(\%start));
  exit 0;
}

# ---- do it --------------------------------------------------------------

my $status = 0;

# job has systemd do something to units and waits for it. Who fails is named; that a unit to be stopped is not there is no failure.
sub job {
  my ($verb, @units) = @_;
  return unless @units;
  my $pid = open my $errors, '-|';
  if (!$pid) {
    open STDERR, '>&', \*STDOUT;
    exec 'systemctl', $verb, '--', sort @units;
    exit 127;
  }
  while (<$errors>) {
    if (/^(?:A dependency job|Job) for (\S+) (?:failed|canceled|timed)/ || /^Job for (\S+) /) {
      print STDERR "Failed to $verb $1\n";
      $status = 4;
    } elsif (/^Failed to/ && $verb ne 'stop') {
      print STDERR $_;
      $status = 4;
    } elsif (/^Warning:/) {
      print STDERR $_;
    }
  }
  close $errors;
}

remember();
say_units('stopping the following units:', shown(\%stop));
job('stop', keys %stop);
say_units('NOT restarting the following changed units:', keys %skip);

print STDERR "activating the configuration...\n";
if (system("$system/activate", $system) != 0) {
  print STDERR "Failed to run activate script\n";
  $status = 2;
}
requests('');
remember();

if ($reexec) {
  print STDERR "restarting systemd...\n";
  system 'systemctl', 'daemon-reexec';
}
system 'systemctl', 'reset-failed';
system 'systemctl', 'daemon-reload';

# Each user's manager reads its units again.
for (qx(loginctl list-users --no-legend 2>/dev/null)) {
  my ($uid, $user) = split;
  next unless defined $user && -d "/run/user/$uid";
  print STDERR "reloading user units for $user...\n";
  my @as = ('setpriv', "--reuid=$uid", '--regid=' . (getpwuid $uid)[3], '--init-groups',
    'env', '-i', "PATH=$ENV{PATH}", "XDG_RUNTIME_DIR=/run/user/$uid", 'systemctl', '--user');
  system @as, 'daemon-reexec';
  system @as, 'restart', 'nixos-activation.service';
}

print STDERR "restarting sysinit-reactivation.target\n";
job('restart', 'sysinit-reactivation.target');

# Something it requires was stopped, and so was the unit: then it is started.
for my $unit (keys %reload) {
  next if property($unit, 'ActiveState') =~ /^(active|activating)$/;
  delete $reload{$unit};
  $start{$unit} = 1 unless flag(parse($system, $unit, base_unit($unit)), 'Unit', 'RefuseManualStart', 0);
}
remember();
say_units('reloading the following units:', keys %reload);
job('reload', keys %reload);
unlink '/run/nixos/reload-list';
say_units('restarting the following units:', keys %restart);
job('restart', keys %restart);
unlink '/run/nixos/restart-list';
say_units('starting the following units:', shown(\%start));
job('start', keys %start);
unlink '/run/nixos/start-list';

# A moment for what starts and fails at once.
select undef, undef, undef, 0.25;
my $after = active();
my (@failed, @new);
for my $unit (keys %$after) {
  my ($state, $sub) = @{ $after->{$unit} };
  if ($state eq 'failed'
    || $sub eq 'auto-restart' && $unit =~ /\.service$/ && property($unit, 'ExecMainStatus') ne '0') {
    push @failed, $unit;
  } elsif (!$before->{$unit} && $unit !~ /\.scope$/) {
    push @new, $unit;
  }
}
say_units('the following new units were started:', @new);
if (@failed) {
  say_units('warning: the following units failed:', @failed);
  system 'systemctl', 'status', '--no-pager', '--full', '--', sort @failed;
  $status = 4;
}

# ---- and a line in the log ----------------------------------------------

make_path('/var/log/minios');
my @t = gmtime;
open my $log, '>>', '/var/log/minios/activations';
printf $log "time=%04d-%02d-%02dT%02d:%02d:%02dZ action=%s toplevel=%s status=%d stop=%s restart=%s reload=%s start=%s failed=%s\n",
  $t[5] + 1900, $t[4] + 1, @t[ 3, 2, 1, 0 ], $action, $system, $status,
  map { join ',', sort @$_ } [ shown(\%stop) ], [ keys %restart ], [ keys %reload ], [ shown(\%start) ], \@failed;
exit $status;
