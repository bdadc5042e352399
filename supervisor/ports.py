"""What to tell the operator when a port cannot be listened on."""

import errno

import psutil


def explain(error: OSError, host: str, port: int, section: str) -> str:
    """One sentence: why, who holds the port where that can be told, and the remedy. `section` is the settings' one."""
    where = f"port {port} on {host}"
    match error.errno:
        case errno.EADDRINUSE:
            return f"{where} is taken{_holder(port)}: stop that, or set `{section}.port` to another port"
        case errno.EADDRNOTAVAIL:
            return f"{host} is no address of this machine: set `{section}.host` to one, or to 0.0.0.0 for all"
        case errno.EACCES:
            return f"{where} may not be listened on: ports below 1024 need CAP_NET_BIND_SERVICE; set `{section}.port`"
    return f"cannot listen on {where}: {error.strerror}; see `{section}.host` and `{section}.port`"


def _holder(port: int) -> str:
    """ " by asterisk (process 123)", or "" when the system does not say."""
    try:
        for connection in psutil.net_connections(kind="tcp"):
            listens = connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port
            if listens and connection.pid:
                return f" by {psutil.Process(connection.pid).name()} (process {connection.pid})"
    except psutil.Error:
        pass
    return ""
