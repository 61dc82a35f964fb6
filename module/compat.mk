# SPDX-License-Identifier: GPL-2.0-or-later
# Looks into the kernel's headers for what distributions backport, so that
# compat.h need not guess from a version number. Out-of-tree builds only.

quic-probe = $(shell grep -qE $(3) $(srctree)/include/$(2) 2>/dev/null && echo -D$(1))

ccflags-y += $(call quic-probe,QUIC_HAVE_SOCKADDR_UNSIZED,linux/socket.h,'struct sockaddr_unsized [{]')
ccflags-y += $(call quic-probe,QUIC_HAVE_RECVMSG_ADDR_LEN,net/sock.h,'int flags. int .addr_len.;')
ccflags-y += $(call quic-probe,QUIC_HAVE_ACCEPT_ARG,net/sock.h,'struct proto_accept_arg [{]')
ccflags-y += $(call quic-probe,QUIC_HAVE_IOCTL_KARG,net/sock.h,'int .karg.;')
ccflags-y += $(call quic-probe,QUIC_HAVE_IPV6_PINFO_OFFSET,net/sock.h,'ipv6_pinfo_offset;')
ccflags-y += $(call quic-probe,QUIC_HAVE_SK_DROPS_INC,net/sock.h,'sk_drops_inc.struct sock')
ccflags-y += $(call quic-probe,QUIC_HAVE_TUNNEL_SK,net/udp_tunnel.h,'setup_udp_tunnel_sock.struct net .net. struct sock ')
ccflags-y += $(call quic-probe,QUIC_HAVE_ENCAP_ERR_PORT,linux/udp.h,'__be16 port. u32 info. u8 .payload')
ccflags-y += $(call quic-probe,QUIC_HAVE_HRTIMER_SETUP,linux/hrtimer.h,'hrtimer_setup.struct hrtimer')
ccflags-y += $(call quic-probe,QUIC_HAVE_TSTAMP_TYPE,linux/skbuff.h,'SKB_CLOCK_MONOTONIC')
ccflags-y += $(call quic-probe,QUIC_HAVE_IMPORT_NS_STRING,linux/module.h,'MODULE_INFO.import_ns. ns.')
ccflags-y += $(call quic-probe,QUIC_HAVE_CRYPTO_DONE_DATA,linux/crypto.h,'crypto_completion_t..void ')
ccflags-y += $(call quic-probe,QUIC_HAVE_SYSCTL_SZ,net/net_namespace.h,'register_net_sysctl_sz.struct net')
ccflags-y += $(call quic-probe,QUIC_HAVE_CONST_CTL_TABLE,linux/sysctl.h,'proc_handler.const struct ctl_table')
ccflags-y += $(call quic-probe,QUIC_HAVE_CHACHA_STATE,crypto/chacha.h,'struct chacha_state [{]')
ccflags-y += $(call quic-probe,QUIC_HAVE_COPY_STRUCT_SOCKPTR,linux/sockptr.h,'copy_struct_from_sockptr')
ccflags-y += $(call quic-probe,QUIC_HAVE_DIAG_OWNER,linux/inet_diag.h,'struct module[[:space:]]+.owner')
ccflags-y += $(call quic-probe,QUIC_HAVE_DIAG_BC_DATA,linux/inet_diag.h,'inet_diag_bc_sk.const struct inet_diag_dump_data')
ccflags-y += $(call quic-probe,QUIC_HAVE_LINUX_UNALIGNED,linux/unaligned.h,'get_unaligned')
