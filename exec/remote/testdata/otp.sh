#!/bin/sh
# otp.sh is what PAM asks for a second factor in tests (pam_exec with expose_authtok): it
# accepts one code.
[ "$(tr -d '\000\n')" = 123456 ]
