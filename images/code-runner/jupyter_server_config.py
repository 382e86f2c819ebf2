# The capsule is the boundary: whoever reaches this port may run programs in it anyway. The port proxy in front asks for
# the API key, and passes other host names and origins on.
c = get_config()  # noqa: F821
c.ServerApp.ip = "127.0.0.1"
c.ServerApp.port = 8888
c.ServerApp.port_retries = 0
c.ServerApp.token = ""
c.ServerApp.password = ""
c.ServerApp.disable_check_xsrf = True
c.ServerApp.allow_origin = "*"
c.ServerApp.allow_remote_access = True
c.ServerApp.allow_root = True
c.ServerApp.open_browser = False
c.ServerApp.root_dir = "/root"
c.ServerApp.terminals_enabled = False
c.ServerApp.log_level = "WARN"
c.ServerApp.jpserver_extensions = {"wrenn_code_runner": True}

# All that a cell prints is passed on, but not kept for clients that have left.
c.ServerApp.iopub_msg_rate_limit = 0
c.ServerApp.iopub_data_rate_limit = 0
c.MappingKernelManager.buffer_offline_messages = False

# A kernel lives as long as its capsule. It talks over sockets in the file system, so that it takes no ports.
c.MultiKernelManager.default_kernel_name = "wrenn"
c.MappingKernelManager.cull_idle_timeout = 0
c.KernelManager.transport = "ipc"
