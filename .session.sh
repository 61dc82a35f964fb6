# in the guest: make some connections, then top
cd /run/quic/tree
python3 -c 'from quicctl import pki; from pathlib import Path; pki.make(Path("/tmp"))'
ip link set lo up 2>/dev/null
tc qdisc add dev lo root netem delay 5ms loss 0.5% 2>/dev/null
python3 -m quicctl cat --listen 127.0.0.1:4433 --cert /tmp/server.pem --key /tmp/server.key --keep </dev/zero >/dev/null 2>&1 &
python3 -m quicctl cat --listen '[::1]:4434' --cert /tmp/server.pem --key /tmp/server.key >/dev/null 2>&1 </dev/null &
python3 -m quicctl handshake --listen 127.0.0.1:4435 --cert /tmp/server.pem --key /tmp/server.key --echo --count 0 >/dev/null 2>&1 &
sleep 12
python3 -m quicctl cat 127.0.0.1:4433 --ca /tmp/ca.pem </dev/null >/dev/null 2>&1 &
sleep 100000 | python3 -m quicctl cat '[::1]:4434' --servername localhost --ca /tmp/ca.pem >/dev/null 2>&1 &
sleep 100000 | python3 -m quicctl handshake 127.0.0.1:4435 --ca /tmp/ca.pem --send - --timeout 1000 >/dev/null 2>&1 &
sleep 12
echo ready-to-look
