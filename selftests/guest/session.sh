# SPDX-License-Identifier: GPL-2.0-or-later
# What a guest does between its first process and power-off: load the module,
# run the job, take the module out again, look for leaks. Descriptor 3 is the
# control port; its lines are read by quicctl/guest.py.
#
# The payload folder holds job.sh (environment and command) and may hold
# quic.ko; out/ is what the host gets back.

base=/run/quic
tell() { echo "QUICCTL $*" >&3; }

tell begun
. $base/payload/env.sh
mkdir -p $base/out
cd $base/tree 2>/dev/null || cd /

leaks=/sys/kernel/debug/kmemleak
[ -w $leaks ] && [ -n "$QUIC_LEAKS" ] || leaks=
if [ -n "$leaks" ]; then
	echo scan=off >$leaks	# the one scan is ours, at the end
	echo clear >$leaks
fi

# What a booting distribution loads for its processor: fast ciphers above all.
if [ -d /lib/modules/$(uname -r) ] && [ -r /sys/devices/system/cpu/modalias ]; then
	modprobe -aq "$(cat /sys/devices/system/cpu/modalias)" 2>/dev/null
fi

loaded=
if [ -n "$QUIC_LOAD" ]; then
	for ko in $QUIC_LOAD; do
		file=$base/payload/$ko
		deps=$(modinfo -F depends "$file" | tr ',' ' ')
		for dep in $deps; do
			grep -q "^$dep " /proc/modules || modprobe "$dep" 2>/dev/null
		done
		if ! reason=$(insmod "$file" 2>&1); then
			tell load "$reason"
			dmesg 2>/dev/null | tail -n 20 >&2
			exit 125
		fi
		name=${ko%.ko}
		loaded="$name $loaded"
	done
fi

tell ready
sh $base/payload/job.sh 3>&-
tell job $?

# Whatever the job forgot would hold the module: it is ended, and named.
for folder in /proc/[0-9]*; do
	pid=${folder#/proc/}
	case $pid in 1|$$) continue ;; esac
	[ -e $folder/exe ] || continue		# a thread of the kernel
	tell stray "$(tr '\0' ' ' <$folder/cmdline | cut -c1-120)"
	kill -KILL "$pid" 2>/dev/null
done

for name in $loaded; do
	[ -d /sys/module/$name ] || continue
	[ -z "$leaks" ] || grep "\[$name\]" /proc/kallsyms >>$base/out/symbols.txt
	tries=0
	until reason=$(rmmod "$name" 2>&1); do
		tries=$((tries + 1))
		if [ $tries -ge 100 ]; then
			tell unload "$reason"
			break
		fi
		sleep 0.1
	done
done

if [ -n "$leaks" ]; then
	# An object must be some seconds old before it counts as leaked.
	sleep 6
	echo scan >$leaks
	echo scan >$leaks
	# What the kernel lost while it booted (comm "swapper/0") is not ours;
	# what is lost in interrupts bears the comm "softirq".
	awk '/^unreferenced object/ { object = $0; next }
	     object != "" { show = !/comm "swapper\/0", pid [01],/
			    if (show) print object; object = "" }
	     show' $leaks >$base/out/kmemleak.txt
	n=$(grep -c '^unreferenced object' $base/out/kmemleak.txt)
	if [ "$n" = 0 ]; then
		rm -f $base/out/kmemleak.txt
	else
		while read -r line; do
			echo "<4>$line" >/dev/kmsg
		done <$base/out/kmemleak.txt
	fi
	tell leaks "$n"
fi
tell taint "$(cat /proc/sys/kernel/tainted)"
if [ -r /proc/lockdep_stats ]; then
	tell locks "$(sed -n 's/.*debug_locks: *//p' /proc/lockdep_stats)"
fi
dmesg >$base/out/dmesg.txt 2>/dev/null
if [ -n "$QUIC_OUT_DEVICE" ]; then
	tar -cf "$QUIC_OUT_DEVICE" -C $base/out . || tell lost "results"
fi
exit 0
